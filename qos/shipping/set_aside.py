"""Lines that the server will never take, kept beside the store for a person to look at. Bounded: then only counted."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from qos.shipping.delivery import Rejected

NAME: Final = "outbox-rejected.lp"
LARGEST_BYTES: Final = 4 * 2**20


class RejectedFile:
    """``outbox-rejected.lp``: line protocol, each run of lines under a comment with its reason."""

    def __init__(self, data: Path, *, largest_bytes: int = LARGEST_BYTES) -> None:
        self.path = data / NAME
        self._largest_bytes = largest_bytes

    def add(self, rejected: Sequence[Rejected]) -> bool:
        """Append them. False when the file is full or cannot be written: they are lost then, and only counted."""
        parts = []
        said = None
        for item in rejected:
            if item.reason != said:
                parts.append(f"# {item.reason}")
                said = item.reason
            parts.append(item.line)
        text = "".join(f"{part}\n" for part in parts).encode(errors="replace")
        try:
            size = self.path.stat().st_size if self.path.exists() else 0
            if size + len(text) > self._largest_bytes:
                return False
            with self.path.open("ab") as file:
                file.write(text)
        except OSError:
            return False
        return True

    def take(self) -> list[str]:
        """Every line, to be sent again. The file stays until ``replace``."""
        try:
            text = self.path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return []
        return [line for line in text.splitlines() if line and not line.startswith("#")]

    def replace(self, rejected: Sequence[Rejected]) -> None:
        """Begin anew with these only; without any there is no file. Raises OSError."""
        self.path.unlink(missing_ok=True)
        if rejected:
            self.add(rejected)


def count_lines(data: Path) -> int:
    """How many points are set aside in this data directory."""
    return len(RejectedFile(data).take())
