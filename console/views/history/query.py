"""``autoqos query``: any measurement out of a store, as rows. Pure but for the reader that it is given."""

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any, Final, get_args

from console.views.times import rfc3339
from qos.contract.errors import ConfigError
from qos.contract.points import SPECS
from qos.store import Aggregate, Columns, Reader

AGGREGATES: Final[tuple[str, ...]] = get_args(Aggregate)


def parse_where(pairs: Sequence[str]) -> dict[str, str | Sequence[str]]:
    """``["app=ssh", "app=curl"]`` → what the store matches: the same tag twice is "one of". Raises ConfigError."""
    found: dict[str, list[str]] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name or not value:
            raise ConfigError(f"--where: {pair!r} is not TAG=VALUE, such as app=firefox")
        found.setdefault(name.strip(), []).append(value)
    return {name: values[0] if len(values) == 1 else tuple(values) for name, values in found.items()}


def query(
    reader: Reader,
    measurement: str,
    *,
    where: dict[str, str | Sequence[str]],
    start_ns: int,
    stop_ns: int | None,
    every_ns: int | None,
    aggregate: str | None,
    limit: int | None,
) -> Columns:
    """The columns that match. Raises ConfigError for a name that does not exist, with those that do."""
    if measurement not in SPECS:
        raise ConfigError(f"no measurement {measurement!r}: there are {', '.join(SPECS)}")
    if aggregate is not None and aggregate not in AGGREGATES:
        raise ConfigError(f"--aggregate: {aggregate!r} is none of {', '.join(AGGREGATES)}")
    spec = SPECS[measurement]
    for tag in where:
        if tag not in spec.tags:
            raise ConfigError(f"--where: {measurement} has no tag {tag!r}: it has {', '.join(spec.tags)}")
    return reader.read(
        measurement,
        where=where,
        start_ns=start_ns,
        stop_ns=stop_ns,
        every_ns=every_ns,
        aggregate=aggregate,  # type: ignore[arg-type]  # checked above against the very list
        limit=limit,
    )


def rows(columns: Columns) -> Iterator[dict[str, Any]]:
    """One object per row: ``time`` (RFC 3339), then tags and fields; an absent field is ``None``."""
    names = [name for name in columns if name != "time_ns"]
    for index, time_ns in enumerate(columns["time_ns"]):
        yield {"time": rfc3339(time_ns)} | {name: columns[name][index] for name in names}


def to_csv(columns: Columns) -> str:
    """RFC 4180 text with a heading; an absent field is empty."""
    text = io.StringIO()
    names = ["time", *(name for name in columns if name != "time_ns")]
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows(columns))
    return text.getvalue()


def cell(value: object) -> str:
    """A value in the table for people."""
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
