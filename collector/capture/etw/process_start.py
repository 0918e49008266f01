"""The event that says which program a new process runs: names for those that are gone before anybody looks. Pure.

Source: the manifest of Microsoft-Windows-Kernel-Process, event 1. Versions 0 to 2 begin with the process id and have
the image name at 20 or 24; from version 3 on sequence numbers stand between, and a security identifier (SID) of
variable length, [MS-DTYP] 2.4.2.2, stands before the name.
"""

import struct
from dataclasses import dataclass
from typing import Final

_FILETIME_EPOCH: Final = 116_444_736_000_000_000
"""1970-01-01 in units of 100 ns since 1601."""
_OLD: Final = struct.Struct("<IQ")
_NEW: Final = struct.Struct("<IQQ")
_SID_AT: Final = 48


@dataclass(frozen=True, slots=True)
class ProcessStart:
    """A process began. ``image`` is the system's own path (``\\Device\\HarddiskVolume3\\…``)."""

    pid: int
    started_ns: int
    """UTC."""
    image: str

    @property
    def name(self) -> str:
        """The executable's file name."""
        return self.image.rpartition("\\")[2]


def read_start(version: int, payload: memoryview | bytes) -> ProcessStart | None:
    """The event's content; None when it cannot be read."""
    if version < 3:
        at = 20 if version == 0 else 24
        if len(payload) < at:
            return None
        pid, created = _OLD.unpack_from(payload)
    else:
        if len(payload) < _SID_AT + 8:
            return None
        pid, _, created = _NEW.unpack_from(payload)
        if payload[_SID_AT] != 1 or payload[_SID_AT + 1] > 15:
            return None  # not a security identifier, or one of another revision
        at = _SID_AT + 8 + 4 * payload[_SID_AT + 1]
    image = bytes(payload[at:])
    end = next((n for n in range(0, len(image) - 1, 2) if image[n : n + 2] == b"\0\0"), None)
    if end is None:
        return None
    return ProcessStart(pid, max(0, created - _FILETIME_EPOCH) * 100, image[:end].decode("utf-16-le", "replace"))
