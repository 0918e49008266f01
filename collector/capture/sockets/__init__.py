"""Which socket is whose, on Linux: the kernel's socket list, the processes that hold sockets, and who inherits one.

Used by the ``kernel`` and ``sockdiag`` backends. ``owners`` is pure.
"""
