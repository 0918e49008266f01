"""What the trace session calls for every event or every buffer: bytes at an address in, into the parser.

An event's record is read by offset out of the process's own memory, seen as one array, because building a ctypes
structure for each event costs five times as much. An exception never leaves a callback: it is counted and told once.
"""

import ctypes
import struct
import threading
from collections.abc import Callable
from typing import Final

from collector.capture.etw.parser import Counted, Parser

_MEMORY: Final = memoryview((ctypes.c_char * (1 << 47)).from_address(0)).cast("B")
"""All of the user's half of the address space; only addresses that the system hands out are ever read."""
_EVENT: Final = struct.Struct("<34xQ44xH8xQ")
"""EVENT_RECORD: end of the provider at 34 and id at 40, length of the payload at 86, its address at 96."""
_OTHER: Final = struct.Struct("<24x16sHB")
"""EVENT_RECORD: provider at 24, id at 40, version at 42."""

Trouble = Callable[[BaseException], None]


class Feed:
    """A parser that the session's thread fills and the collector's thread empties."""

    def __init__(self) -> None:
        self.parser, self.lock = Parser(), threading.Lock()

    def take(self) -> Counted:
        """What was counted since the last call."""
        with self.lock:
            return self.parser.take()


def event_callback(feed: Feed, trouble: Trouble) -> Callable[[int], None]:
    """For ``EVENT_TRACE_LOGFILEW.EventRecordCallback``: one call an event."""
    memory, read, add, lock = _MEMORY, _EVENT.unpack_from, feed.parser.add_transfer, feed.lock

    def callback(address: int) -> None:
        try:
            kind, length, payload = read(memory, address)
            with lock:
                if not add(kind, memory, payload, length):
                    provider, number, version = _OTHER.unpack_from(memory, address)
                    feed.parser.add_event(provider, number, version, memory[payload : payload + length])
        except BaseException as error:
            trouble(error)

    return callback


def buffer_callback(feed: Feed, trouble: Trouble) -> Callable[[int, int, int, int], int]:
    """For ``ETW_OPEN_TRACE_OPTIONS.BufferCallback``: one call a raw buffer. 1: go on."""
    memory = _MEMORY

    def callback(address: int, size: int, _information: int, _context: int) -> int:
        try:
            with feed.lock:
                feed.parser.add_buffer(memory[address : address + size])
        except BaseException as error:
            trouble(error)
        return 1

    return callback
