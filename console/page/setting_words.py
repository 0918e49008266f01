"""The settings in force as ``config.yaml`` writes them: ``1s``, ``20mbit``, ``2GB``; dotted keys, secrets left out."""

from collections.abc import Iterator
from typing import Any, Final, get_args
from urllib.parse import urlsplit, urlunsplit

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from qos.contract.units import Duration, Rate, Size

_STEPS: Final = {
    "duration": (("w", 604800 * 10**9), ("d", 86400 * 10**9), ("h", 3600 * 10**9), ("m", 60 * 10**9), ("s", 10**9)),
    "rate": (("gbit", 10**9), ("mbit", 10**6), ("kbit", 10**3), ("bit", 1)),
    "size": (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("kB", 10**3), ("B", 1)),
}
_KINDS: Final = {
    id(get_args(alias)[1]): kind for alias, kind in ((Duration, "duration"), (Rate, "rate"), (Size, "size"))
}


def flat(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Every setting by its dotted key."""
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from flat(inner, f"{key}.{name}" if key else str(name))
    else:
        yield key, without_password(value)


def written(model: Any) -> Any:
    """A model of the settings as plain data, quantities with their units, so that it can be typed in again."""
    if isinstance(model, BaseModel):
        fields = type(model).model_fields
        plain = model.model_dump(mode="json")
        return {
            name: _quantity(getattr(model, name), kind) if (kind := _kind(field)) else _inner(model, name, plain)
            for name, field in fields.items()
            if name in plain
        }
    if isinstance(model, dict):
        return {name: written(inner) for name, inner in model.items()}
    if isinstance(model, tuple | list):
        return [written(inner) for inner in model]
    return model


def _inner(model: BaseModel, name: str, plain: dict[str, Any]) -> Any:
    value = getattr(model, name)
    nested = isinstance(value, BaseModel | dict | tuple | list)
    return written(value) if nested else plain[name]


def _kind(field: FieldInfo) -> str | None:
    found = [*field.metadata, *(part for inner in get_args(field.annotation) for part in get_args(inner)[1:])]
    return next((kind for part in found if (kind := _KINDS.get(id(part)))), None)


def _quantity(value: Any, kind: str) -> Any:
    if not isinstance(value, int):
        return value  # null or a word such as auto
    for unit, scale in _STEPS[kind]:
        if value % scale == 0 and value >= scale:
            return f"{value // scale}{unit}"
    return f"{value / 10**6:g}ms" if kind == "duration" else f"0{_STEPS[kind][-1][0]}"


def without_password(value: Any) -> Any:
    """An address without its name and password; anything else as it is."""
    if isinstance(value, str) and "://" in value and "@" in value:
        parts = urlsplit(value)
        host = parts.hostname or ""
        return urlunsplit(parts._replace(netloc=f"{host}:{parts.port}" if parts.port else host))
    return value
