"""What a read asks for, checked once, so that every store refuses the same things with the same words."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Unpack, get_args

from qos.contract.points import SPECS, FieldSpec, Spec
from qos.store import Aggregate, ReadOptions

TIME_MAX_NS: Final = 9_200_000_000_000_000_000
"""Stored times are ``0 <= time_ns < TIME_MAX_NS`` (1970 to 2261): window arithmetic then never leaves 64 bits."""


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """A read, checked. ``aggregate`` is None for raw rows; ``every_ns`` None with an aggregate is one window."""

    spec: Spec
    fields: tuple[FieldSpec, ...]
    where: tuple[tuple[str, tuple[str, ...]], ...]
    start_ns: int
    stop_ns: int
    every_ns: int | None
    aggregate: Aggregate | None
    by: tuple[str, ...]
    limit: int | None
    stamp_ns: int

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns in order."""
        return ("time_ns", *self.by, *(f.name for f in self.fields))

    def matches(self, tags: Sequence[str]) -> bool:
        """Whether a series (its tags in the spec's order) is asked for."""
        by_name = dict(zip(self.spec.tags, tags, strict=True))
        return all(by_name[name] in wanted for name, wanted in self.where)

    def how(self, field: FieldSpec) -> str:
        """How this field combines: sum, mean, min, max, last or count. Text knows only last and count."""
        if self.aggregate == "count":
            return "count"
        if field.kind == "str":
            return "last"
        return field.rollup if self.aggregate in (None, "auto") else str(self.aggregate)


def spec_named(measurement: str) -> Spec:
    """The measurement's spec. Raises KeyError with the names there are."""
    if measurement not in SPECS:
        raise KeyError(f"no measurement {measurement!r}; there are {', '.join(SPECS)}")
    return SPECS[measurement]


def read_request(measurement: str, fields: Sequence[str] | None = None, **options: Unpack[ReadOptions]) -> ReadRequest:
    """The arguments of ``Reader.read``, checked. Raises KeyError for unknown names, ValueError for what cannot be."""
    start_ns, stop_ns, every_ns = options.get("start_ns"), options.get("stop_ns"), options.get("every_ns")
    aggregate, by, limit = options.get("aggregate"), options.get("by"), options.get("limit")
    spec = spec_named(measurement)
    if every_ns is not None and every_ns <= 0:
        raise ValueError(f"every_ns: {every_ns} is not a window: it must be more than zero")
    if aggregate is not None and aggregate not in get_args(Aggregate):
        raise ValueError(f"aggregate: {aggregate!r} is none of {', '.join(get_args(Aggregate))}")
    if limit is not None and limit < 0:
        raise ValueError(f"limit: {limit} is negative")
    conditions = []
    for name, wanted in (options.get("where") or {}).items():
        _known_tags(spec, [name])
        conditions.append((name, (wanted,) if isinstance(wanted, str) else tuple(wanted)))
    if by is not None:
        _known_tags(spec, by)
    return ReadRequest(
        spec=spec,
        fields=spec.fields if fields is None else tuple(spec.field(name) for name in fields),
        where=tuple(conditions),
        start_ns=max(0, start_ns or 0),
        stop_ns=TIME_MAX_NS if stop_ns is None else max(0, min(stop_ns, TIME_MAX_NS)),
        every_ns=every_ns,
        aggregate=aggregate if aggregate is not None or every_ns is None else "auto",
        by=spec.tags if by is None else tuple(name for name in spec.tags if name in set(by)),
        limit=limit,
        stamp_ns=start_ns or 0,
    )


def _known_tags(spec: Spec, names: Iterable[str]) -> None:
    for name in names:
        if name not in spec.tags:
            raise KeyError(f"{spec.name} has no tag {name!r}; it has {', '.join(spec.tags)}")
