"""Which datapath serves: the kernel's own queues where this machine has them, else packets diverted through us."""

from dataclasses import replace
from typing import Literal

from enforcer.datapath.interface import Datapath, DatapathFactory
from enforcer.datapath.session import DivertDatapath

Wanted = Literal["auto", "kernel", "divert"]


class DatapathChoice:
    """A ``DatapathFactory`` of two. ``kernel`` None: this system has only the other (Windows)."""

    def __init__(self, divert: DivertDatapath, kernel: DatapathFactory | None, wanted: Wanted = "auto") -> None:
        self._divert, self._kernel, self._wanted = divert, kernel, wanted

    def _why_not_kernel(self) -> str | None:
        return "this system has no queues that programs may use" if self._kernel is None else self._kernel.available()

    def available(self) -> str | None:
        """Why none that is allowed works, or None."""
        why_not = None if self._wanted == "divert" else self._why_not_kernel()
        if self._wanted == "kernel" or (self._wanted == "auto" and why_not is None):
            return why_not
        return self._divert.available()

    def open(self, *, max_packet_rate: int | None, hold_off_ns: int, own: frozenset[int]) -> Datapath:
        """An open datapath of the kind that serves. Raises OSError, ValueError."""
        why_not = self._why_not_kernel() if self._wanted != "divert" else "enforcer.datapath is divert"
        factory: DatapathFactory = replace(self._divert, because=why_not)
        if self._kernel is not None and why_not is None:
            factory = self._kernel
        return factory.open(max_packet_rate=max_packet_rate, hold_off_ns=hold_off_ns, own=own)

    def tidy(self) -> None:
        """Take away what a process that died left behind, of both kinds. Raises OSError."""
        if self._kernel is not None:
            self._kernel.tidy()
        if self._divert.available() is None:
            self._divert.tidy()
