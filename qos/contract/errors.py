"""Errors split by who must act. Everything else is a built-in exception."""


class ConfigError(Exception):
    """The user must act: each line names the key, file or privilege and what to do. Exit status 2."""

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


class StoreUnavailable(Exception):  # noqa: N818 - named for the state, not for the accident
    """Wait and keep the points: the store may come back. ``retry_after_s`` is a hint, seconds."""

    def __init__(self, message: str, retry_after_s: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class StoreRejected(Exception):  # noqa: N818 - idem
    """Drop that point, count it, say it once: the store will never take it."""
