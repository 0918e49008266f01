"""What can go wrong with a handle, beyond OSError."""


class Drained(Exception):  # noqa: N818 - named for the state: nothing more will ever come out of this handle
    """The handle was shut down for receiving and its queue is empty."""


class PyDivertMissing(OSError):  # noqa: N818 - idem
    """pydivert or its native library is not on this machine; the message says what to install."""
