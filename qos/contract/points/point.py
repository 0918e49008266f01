"""What every measurement shares: the checks of a point, and the spec of tags and fields that its class declares."""

import math
from dataclasses import MISSING, dataclass, field, fields
from types import NoneType, UnionType
from typing import Any, ClassVar, Final, Literal, get_args, get_type_hints

Kind = Literal["int", "float", "str"]


Rollup = Literal["sum", "mean", "max", "last"]
"""How values of a field combine over time: ``sum`` for deltas, ``mean`` for levels, ``max`` for worst cases."""


_INT64: Final = range(-(2**63), 2**63)


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """One field of a measurement."""

    name: str
    kind: Kind
    unit: str
    rollup: Rollup
    optional: bool


@dataclass(frozen=True, slots=True)
class Spec:
    """One measurement: its name, tags and fields in order; ``local`` ones are never shipped."""

    name: str
    tags: tuple[str, ...]
    fields: tuple[FieldSpec, ...]
    local: bool

    def field(self, name: str) -> FieldSpec:
        """The field's spec. Raises KeyError with the names there are."""
        for spec in self.fields:
            if spec.name == name:
                return spec
        raise KeyError(f"{self.name} has no field {name!r}; it has {', '.join(f.name for f in self.fields)}")


def tag_field() -> Any:
    """Declares a tag: text that names whose values these are."""
    return field(metadata={"tag": True})


def value_field(unit: str, rollup: Rollup, default: Any = MISSING) -> Any:
    """Declares a field: its unit (``text`` for words) and how values of it combine over time."""
    metadata = {"unit": unit, "rollup": rollup}
    return field(metadata=metadata) if default is MISSING else field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """What every measurement shares."""

    MEASUREMENT: ClassVar[str] = ""
    LOCAL: ClassVar[bool] = False

    time_ns: int

    def __post_init__(self) -> None:
        spec = spec_of(type(self))
        if type(self.time_ns) is not int or self.time_ns not in _INT64:
            raise ValueError(f"{spec.name}.time_ns: {self.time_ns!r} is not a time in nanoseconds")
        for tag in spec.tags:
            value = getattr(self, tag)
            if type(value) is not str or not value:
                raise ValueError(f"{spec.name}.{tag}: a tag is text and never empty, got {value!r}")
            if not _is_unicode(value):
                raise ValueError(f"{spec.name}.{tag}: {value!r} is not Unicode text")
        for f in spec.fields:
            _check(spec.name, f, getattr(self, f.name))

    @property
    def tags(self) -> dict[str, str]:
        """The tags by name."""
        return {name: getattr(self, name) for name in spec_of(type(self)).tags}

    @property
    def values(self) -> dict[str, int | float | str]:
        """The fields that are present, by name."""
        pairs = ((f.name, getattr(self, f.name)) for f in spec_of(type(self)).fields)
        return {name: value for name, value in pairs if value is not None}


def _check(measurement: str, spec: FieldSpec, value: object) -> None:
    where = f"{measurement}.{spec.name}"
    if value is None:
        if not spec.optional:
            raise ValueError(f"{where}: missing")
    elif spec.kind == "int":
        if type(value) is not int or value not in _INT64:
            raise ValueError(f"{where}: {value!r} is not a 64-bit integer")
    elif spec.kind == "float":
        if type(value) is not float or not math.isfinite(value):
            raise ValueError(f"{where}: {value!r} is not a finite float")
    elif type(value) is not str:
        raise ValueError(f"{where}: {value!r} is not text")
    elif not _is_unicode(value):
        raise ValueError(f"{where}: {value!r} is not Unicode text")


def _is_unicode(text: str) -> bool:
    """False for lone surrogates, as file names that are not UTF-8 have in Python: no store takes them."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


_specs: dict[str, Spec] = {}


def spec_of(kind: type[Point]) -> Spec:
    """The spec that a measurement's dataclass declares."""
    known = _specs.get(kind.MEASUREMENT)
    if known is None:
        known = _specs[kind.MEASUREMENT] = _declared_spec(kind)
    return known


def _declared_spec(kind: type[Point]) -> Spec:
    hints = get_type_hints(kind)
    declared = [f for f in fields(kind) if f.name != "time_ns"]
    tags = tuple(f.name for f in declared if f.metadata.get("tag"))
    specs = []
    for f in declared:
        if f.metadata.get("tag"):
            continue
        hint = hints[f.name]
        parts = get_args(hint) if isinstance(hint, UnionType) else (hint,)
        base = next(p for p in parts if p is not NoneType)
        specs.append(
            FieldSpec(f.name, base.__name__, f.metadata["unit"], f.metadata["rollup"], NoneType in parts),
        )
    return Spec(kind.MEASUREMENT, tags, tuple(specs), kind.LOCAL)
