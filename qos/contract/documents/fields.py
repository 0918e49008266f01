"""Reading one field of a JSON object: the value when it is of the right type and range, else what stands for absent."""

import math
from collections.abc import Mapping
from typing import Any, Final

VERSION: Final = 1
"""Of every document that this program writes."""
MAX_INT: Final = 2**63 - 1
MAX_BPS: Final = 10**15

Fields = Mapping[str, Any]


class MalformedError(ValueError):
    """A field is there and is not what it must be: the whole document counts as absent."""


def fields_of(document: object) -> Fields | None:
    """The document's fields; None when it is no JSON object or its version is no number."""
    if not isinstance(document, Mapping):
        return None
    version = document.get("v", VERSION)
    return document if type(version) is int and version >= 1 else None


def required(fields: Fields, key: str, high: int = MAX_INT) -> int | None:
    """A whole number from 0 to ``high``, or None for none. Raises MalformedError for anything else."""
    value = fields.get(key)
    if value is None or (type(value) is int and 0 <= value <= high):
        return value
    raise MalformedError(key)


def whole(fields: Fields, key: str, high: int = MAX_INT) -> int | None:
    """A whole number from 0 to ``high`` (a fraction is cut off); None when it is anything else."""
    given = fields.get(key)
    if type(given) is int and 0 <= given <= high:  # nearly always; the enforcer reads hundreds of them each second
        return given
    value = number(fields, key)
    return int(value) if value is not None and 0 <= value <= high else None


def number(fields: Fields, key: str) -> int | float | None:
    """A finite number that fits 64 bits; None when it is anything else."""
    value = fields.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if -MAX_INT <= value <= MAX_INT else None


def text(fields: Fields, key: str, absent: str = "") -> str:
    """A text, not empty; else ``absent``."""
    value = fields.get(key)
    return value if isinstance(value, str) and value else absent


def texts(fields: Fields, key: str) -> tuple[str, ...]:
    """The texts of a list; whatever else is in it is left out."""
    value = fields.get(key)
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list | tuple) else ()


def rows(fields: Fields, key: str) -> tuple[Fields, ...]:
    """The objects of a list; whatever else is in it is left out."""
    value = fields.get(key)
    return tuple(item for item in value if isinstance(item, Mapping)) if isinstance(value, list | tuple) else ()


def inner(fields: Fields, key: str) -> Fields:
    """An object inside; an empty one when there is none."""
    value = fields.get(key)
    return value if isinstance(value, Mapping) else {}
