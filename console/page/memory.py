"""Keeping the page small: one arena for all threads, and what starting and large answers left over given back.

glibc gives each thread that allocates an arena of its own, which is never shared and seldom returned: 2 to 3 MB here
for nothing. Elsewhere than on glibc nothing happens. Source: mallopt(3), malloc_trim(3).
"""

import gc
import sys
from typing import Final

_M_ARENA_MAX: Final = -8


def share_one_arena() -> None:
    """Call before the first thread starts."""
    if sys.platform == "linux":
        import ctypes

        libc = ctypes.CDLL(None)
        if hasattr(libc, "mallopt"):  # musl has none
            libc.mallopt(_M_ARENA_MAX, 1)


def give_back() -> None:
    """Collect what is garbage now, take what stays out of later collections, return free pages to the system."""
    gc.collect()
    gc.freeze()
    _return_pages()


def trim() -> None:
    """The same after a large answer, for what came since: collect, return free pages. About a millisecond."""
    gc.collect()
    _return_pages()


def _return_pages() -> None:
    if sys.platform == "linux":
        import ctypes

        libc = ctypes.CDLL(None)
        if hasattr(libc, "malloc_trim"):
            libc.malloc_trim(0)
