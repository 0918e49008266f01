"""Letting the WinDivert driver go on Windows: stopped only when no program on this machine has a handle open.

Stopping it under somebody's open handle makes every later open fail (WinDivert issue 406), so the driver itself is
asked who has one: a REFLECT handle reports every handle that is open, by the process that opened it. REFLECT handles
are not reported, our own listing included (WinDivert 2.2.2, ``reflect_contexts``: "All open (non-REFLECT) contexts").
"""

import threading
from collections.abc import Callable
from typing import Final

from qos.packets.divert.address import ADDRESS_BYTES
from qos.packets.divert.errors import Drained
from qos.packets.divert.handles_windows import Handle
from qos.packets.divert.library_windows import Library

_SNIFF, _RECV_ONLY, _NO_INSTALL = 0x01, 0x04, 0x10
_OPEN, _CLOSE = 8, 9
_LISTING_S: Final = 2.0


def unregister(lib: Library | None = None, stop: Callable[[], None] | None = None) -> None:
    """Stop the driver's service when nobody has a handle open, neither we nor another program; else leave it."""
    if handle_owners(lib) == ():
        (stop or _stop_service)()


def handle_owners(lib: Library | None = None) -> tuple[int, ...] | None:
    """The process id behind every open handle. None: the driver is not loaded, or it did not say in two seconds."""
    try:
        reflect = Handle("true", "reflect", 0, _SNIFF | _RECV_ONLY | _NO_INSTALL, lib)
    except OSError:
        return None
    found: dict[bytes, int] = {}
    complete = threading.Event()
    with reflect:
        # The driver ends receiving only after it has reported all that are open: the listing is complete.
        reflect.shutdown_recv()
        reader = threading.Thread(target=_read, args=(reflect, found, complete), name="driver-listing", daemon=True)
        reader.start()
        reader.join(_LISTING_S)
        return tuple(found.values()) if complete.is_set() else None


def _read(reflect: Handle, found: dict[bytes, int], complete: threading.Event) -> None:
    try:
        while True:
            _data, addresses = reflect.receive(1)
            for at in range(0, len(addresses), ADDRESS_BYTES):
                opened = bytes(addresses[at + 16 : at + 28])  # when, and by which process
                if addresses[at + 9] == _OPEN:
                    found[opened] = int.from_bytes(opened[8:], "little")
                elif addresses[at + 9] == _CLOSE:
                    found.pop(opened, None)
    except Drained:
        complete.set()
    except OSError:
        return  # not complete: nobody may conclude that the driver is free


def _stop_service() -> None:
    from pydivert import WinDivert

    WinDivert.unregister()
