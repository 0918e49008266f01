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
        self._taken_bytes = 0

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
        """Every line, to be sent again. They stay until ``replace``, and what is added meanwhile stays beyond it."""
        try:
            text = self.path.read_bytes()
        except OSError:
            return []
        self._taken_bytes = len(text)
        lines = text.decode(errors="replace").splitlines()
        return [line for line in lines if line and not line.startswith("#")]

    def replace(self, rejected: Sequence[Rejected]) -> None:
        """In the place of what was taken these only; without any lines there is no file. Raises OSError."""
        aside = self.path.with_name(f"{NAME}.taken")
        added = b""
        if self.path.exists():
            self.path.replace(aside)  # the shipper adds to a new file from here on
            added = aside.read_bytes()[self._taken_bytes :]
            aside.unlink()
        self._taken_bytes = 0
        if added:
            with self.path.open("ab") as file:
                file.write(added)
        if rejected:
            self.add(rejected)


def count_lines(data: Path) -> int:
    """How many points are set aside in this data directory."""
    return len(RejectedFile(data).take())
