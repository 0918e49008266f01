"""Whose file it is, told from its first bytes before SQLite sees it, so that a stranger's database is not touched.

Source: sqlite.org/fileformat2.html, §1.3 (page count at 28, user version at 60, application id at 68, big-endian).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from qos.contract.errors import ConfigError
from qos.store.sqlite import schema
from qos.store.sqlite.opening.connections import first_bytes

_MAGIC: Final = b"SQLite format 3\x00"


@dataclass(frozen=True, slots=True)
class Header:
    """What the first bytes say."""

    exists: bool
    is_sqlite: bool = False
    being_made: bool = False
    """An empty database, one page without a table: so ours looks between ``auto_vacuum`` and its first transaction."""
    application_id: int = 0
    version: int = 0


def read_header(path: Path) -> Header | None:
    """The file's header; None when this process has it open and so looked before. Raises ConfigError (unreadable)."""
    try:
        data = first_bytes(path)
    except FileNotFoundError:
        return Header(exists=False)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}): check its owner and permissions") from None
    if data is None:
        return None
    if not data:
        return Header(exists=False)
    pages, owner, tables = data[28:32], data[60:64] + data[68:72], data[103:105]
    sqlite = data.startswith(_MAGIC)
    return Header(
        exists=True,
        is_sqlite=sqlite,
        being_made=sqlite and pages == b"\0\0\0\1" and not any(owner) and tables == b"\0\0",
        application_id=int.from_bytes(data[68:72], "big"),
        version=int.from_bytes(data[60:64], "big"),
    )


def refuse_strangers(path: Path, header: Header) -> None:
    """Raise ConfigError for another program's database and for a newer version's."""
    if header.application_id != schema.APPLICATION_ID:
        raise ConfigError(f"{path}: is another program's database: move it away or choose another data_dir or --data")
    refuse_newer(path, header.version)


def refuse_newer(path: Path, version: int) -> None:
    """Raise ConfigError for a schema that this version does not know."""
    if version > schema.VERSION:
        raise ConfigError(
            f"{path}: was written by a newer AutoQoS (schema {version}, this one knows {schema.VERSION}):"
            " update AutoQoS or choose another data_dir or --data"
        )
