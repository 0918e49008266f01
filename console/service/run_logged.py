"""What the scheduled task runs: ``up`` with its output in a file, since a task has no console.

``python -m console.service.run_logged LOG --config … --data …``. The file is put aside when it grew past five
megabytes; three are kept.
"""

import sys
from pathlib import Path
from typing import Final

MAX_BYTES: Final = 5_000_000
KEPT: Final = 3


def rotate(log: Path, max_bytes: int = MAX_BYTES) -> None:
    """Put a large log aside as ``NAME.1``, the older ones one further."""
    if not log.exists() or log.stat().st_size <= max_bytes:
        return
    for number in range(KEPT - 1, 0, -1):
        older = log.with_name(f"{log.name}.{number}")
        if older.exists():
            older.replace(log.with_name(f"{log.name}.{number + 1}"))
    log.replace(log.with_name(f"{log.name}.1"))


def main(arguments: list[str]) -> None:
    """Redirect and run; ends with the exit status of ``up``."""
    log = Path(arguments[0])
    log.parent.mkdir(parents=True, exist_ok=True)
    rotate(log)
    with log.open("a", encoding="utf-8", buffering=1) as file:
        sys.stdout = sys.stderr = file
        from console.cli import main as autoqos

        autoqos(["up", "--quiet", *arguments[1:]])


if __name__ == "__main__":
    main(sys.argv[1:])
