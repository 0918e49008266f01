"""The configuration file as a person changes it: read whole, replaced whole, with owner and mode kept.

A reader sees the old text or the new one. What goes wrong is a ConfigError: one line with the file and the reason.
"""

import hashlib
import os
import tempfile
from contextlib import suppress
from pathlib import Path

from qos.contract.errors import ConfigError


def read(path: Path) -> str:
    """The text as it is, a byte order mark included."""
    try:
        return path.read_bytes().decode("utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8 text") from None


def digest(text: str) -> str:
    """What tells one text from another: SHA-256, hexadecimal."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def replace(path: Path, text: str, *, like: Path | None = None) -> None:
    """Put ``text`` in place of the file in one step; owner and mode are those of the file, or of ``like``."""
    place = path.resolve()
    model = (like or place).resolve()
    try:
        stat = model.stat()
        handle, draft = tempfile.mkstemp(prefix=f".{place.name}.", dir=place.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(text.encode("utf-8"))
                file.flush()
                os.fsync(file.fileno())
            Path(draft).chmod(stat.st_mode & 0o777)
            if hasattr(os, "chown"):
                with suppress(PermissionError):
                    os.chown(draft, stat.st_uid, stat.st_gid)
            os.replace(draft, place)
        except BaseException:
            with suppress(OSError):
                os.unlink(draft)
            raise
    except OSError as error:
        why = f"{path}: cannot be written: {error.strerror}: run it with more rights, or edit it"
        raise ConfigError(why) from None
