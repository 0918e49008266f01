"""A thread that sleeps until the programs announce a process, and reads its executable while it still lives.

A process that ends within a tick would else be known by its thread's name alone, which holds 15 characters and no path.
"""

import os
import select
import sys
import threading

from collector.capture.executables import Executables
from collector.capture.kernel.layout import EVENT
from qos.bpf import system_linux as bpf_system

assert sys.platform == "linux"


class AnnouncedProcesses:
    """Looks at every process that the ring names until it is stopped."""

    def __init__(self, ring: bpf_system.Ring, executables: Executables) -> None:
        self._ring, self._executables = ring, executables
        self._wake = os.eventfd(0, os.EFD_CLOEXEC)
        self._thread = threading.Thread(target=self._run, name="announcements", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def _run(self) -> None:
        with select.epoll() as events:
            events.register(self._ring.fd, select.EPOLLIN)
            events.register(self._wake, select.EPOLLIN)
            while True:
                ready = events.poll()
                for record in self._ring.read():
                    _at_ns, pid = EVENT.unpack_from(record)
                    self._executables.look(pid, fresh=True)
                if any(fd == self._wake for fd, _ in ready):
                    return

    def stop(self) -> None:
        """End the thread."""
        if self._thread.is_alive():
            os.eventfd_write(self._wake, 1)
            self._thread.join(5)
        os.close(self._wake)
