"""Which datapath serves: the kernel's own queues where this machine has them, else packets diverted through us.

Whether a kernel can is seen by opening: it makes devices and loads programs, which takes a tenth of a second and more.
So nothing is tried before somebody has to be held, and the loop opens in the background (``background``).
"""

import errno
import logging
from dataclasses import replace
from typing import Final, Literal

from enforcer.datapath.interface import Datapath, DatapathFactory
from enforcer.datapath.session import DivertDatapath

_log: Final = logging.getLogger(__name__)

Wanted = Literal["auto", "kernel", "divert"]
_NO_QUEUES: Final = "this system has no queues that programs may use"


class DatapathChoice:
    """A ``DatapathFactory`` of two. ``kernel`` None: this system has only the other (Windows)."""

    def __init__(self, divert: DivertDatapath, kernel: DatapathFactory | None, wanted: Wanted = "auto") -> None:
        self._divert, self._kernel, self._wanted = divert, kernel, wanted
        self._refused = _NO_QUEUES if kernel is None else None
        """Why the kernel's queues could not be opened when that was last tried."""

    def available(self) -> str | None:
        """Why none that is allowed works, or None. Cheap: a kernel that names no reason counts as able until it has
        refused."""
        if self._wanted == "divert" or (self._wanted == "auto" and self._refused is not None):
            return self._divert.available()
        lacks = self._kernel.available() if self._kernel is not None else _NO_QUEUES
        return self._divert.available() if lacks is not None and self._wanted == "auto" else lacks

    def open(self, *, max_packet_rate: int | None, hold_off_ns: int, own: frozenset[int]) -> Datapath:
        """An open datapath of the kind that serves. Raises OSError, ValueError."""
        if self._wanted != "divert" and self._kernel is not None:
            try:
                if (lacks := self._kernel.available()) is not None:
                    raise OSError(errno.EOPNOTSUPP, lacks)
                found = self._kernel.open(max_packet_rate=max_packet_rate, hold_off_ns=hold_off_ns, own=own)
            except OSError as error:
                why = error.strerror or str(error)
                if self._wanted == "kernel":
                    raise
                if self._refused != why:
                    _log.warning("the kernel's own queues cannot be used, packets are diverted: %s", why)
                self._refused = why
                if also := self._divert.available():
                    raise OSError(error.errno, f"{also}; the kernel's queues: {why}") from error
            else:
                self._refused = None
                return found
        because = "enforcer.datapath is divert" if self._wanted == "divert" else self._refused
        diverting = replace(self._divert, because=because)
        return diverting.open(max_packet_rate=max_packet_rate, hold_off_ns=hold_off_ns, own=own)

    def tidy(self) -> None:
        """Take away what a process that died left behind, of both kinds. Raises OSError."""
        if self._kernel is not None:
            self._kernel.tidy()
        self._divert.tidy()
