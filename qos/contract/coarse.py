"""The coarse history: windows of 5 minutes and of an hour, made by the agent from its own store (docs/decisions/0070).

Measurements and tags are the raw ones. A field ``f`` keeps its name and its rollup; means also carry what an exact mean
over several windows needs. ``n`` is how many raw rows a coarse row stands for.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from qos.contract.points import FieldSpec, Kind, Spec

FIVE_MINUTES_NS: Final = 300 * 10**9
HOUR_NS: Final = 3600 * 10**9
WIDTHS_NS: Final = MappingProxyType({"5m": FIVE_MINUTES_NS, "1h": HOUR_NS})
"""Retention policy → window. The bucket is ``BUCKET/5m``, InfluxQL's name ``"BUCKET"."5m"."measurement"``."""
KEPT: Final = MappingProxyType({"": "30d", "5m": "180d", "1h": "730d"})
"""Retention policy ("" is the raw bucket) → how long ``influx-init`` makes InfluxDB keep it."""
PERCENTILES: Final = MappingProxyType({("probe", "rtt_ms"): (50, 95)})
"""Fields that also get percentiles (nearest rank, as InfluxQL's ``percentile``) while their raw rows are there."""

Part = Literal["sum", "min", "max", "last", "mean", "n", "percentile"]


@dataclass(frozen=True, slots=True)
class CoarseField:
    """One field of a coarse row: its name, where it comes from and how."""

    name: str
    source: FieldSpec
    part: Part
    kind: Kind
    rank: int = 0
    """Of a percentile: 1-99."""


def bucket(raw: str, policy: str) -> str:
    """The bucket of a retention policy beside the raw one; ``raw`` itself for ""."""
    return f"{raw}/{policy}" if policy else raw


def coarse_fields(spec: Spec) -> Iterator[CoarseField]:
    """The fields of a measurement's coarse rows, but for ``n``."""
    for f in spec.fields:
        if f.kind == "str" or f.rollup == "last":
            yield CoarseField(f.name, f, "last", f.kind)
        elif f.rollup == "sum":
            yield CoarseField(f.name, f, "sum", f.kind)
            yield CoarseField(f"{f.name}_max", f, "max", f.kind)
        elif f.rollup == "max":
            yield CoarseField(f.name, f, "max", f.kind)
        else:
            yield CoarseField(f.name, f, "mean", "float")
            yield CoarseField(f"{f.name}_min", f, "min", f.kind)
            yield CoarseField(f"{f.name}_max", f, "max", f.kind)
            yield CoarseField(f"{f.name}_sum", f, "sum", "float")
            yield CoarseField(f"{f.name}_n", f, "n", "int")
            for rank in PERCENTILES.get((spec.name, f.name), ()):
                yield CoarseField(f"{f.name}_p{rank}", f, "percentile", "float", rank)
