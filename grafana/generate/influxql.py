"""InfluxQL: the query model that Grafana's InfluxDB plugin reads, and the few query shapes that every panel uses.

Bytes are stored as deltas per tick; a rate over a window is ``sum * 8000 / window in ms``, whatever the tick was.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from grafana_foundation_sdk.cog import builder as cogbuilder
from grafana_foundation_sdk.cog import variants
from grafana_foundation_sdk.models.common import DataSourceRef

UID: Final = "influx-influxql"
SOURCE: Final = DataSourceRef(type_val="influxdb", uid=UID)
HOST: Final = '"host" =~ /^$host$/'
APP: Final = '"app" =~ /^$app$/'
TARGET: Final = '"target" =~ /^$target$/'


@dataclass
class InfluxQuery(variants.Dataquery):
    """The model of one raw InfluxQL target (``public/app/plugins/datasource/influxdb/types.ts``)."""

    ref_id: str
    query: str
    alias: str
    result_format: str

    def to_json(self) -> dict[str, object]:
        """The JSON that Grafana stores."""
        body: dict[str, object] = {
            "refId": self.ref_id,
            "datasource": SOURCE.to_json(),
            "rawQuery": True,
            "query": self.query,
            "resultFormat": self.result_format,
        }
        return {**body, "alias": self.alias} if self.alias else body


class Target(cogbuilder.Builder[variants.Dataquery]):
    """A panel's query."""

    def __init__(self, query: str, alias: str = "", ref_id: str = "A", result_format: str = "time_series") -> None:
        self._query = InfluxQuery(ref_id, query, alias, result_format)

    def build(self) -> variants.Dataquery:
        """The query model."""
        return self._query


@dataclass
class AnnotationModel(variants.Dataquery):
    """An annotation's target: the plugin reads its columns by name (``influxdb/migrations.ts``, prepareAnnotation)."""

    query: str

    def to_json(self) -> dict[str, object]:
        """The JSON that Grafana stores."""
        return {
            "refId": "Anno",
            "datasource": SOURCE.to_json(),
            "query": self.query,
            "rawQuery": True,
            "queryType": "tags",
            "fromAnnotations": True,
            "titleColumn": "subject",
            "textColumn": "message",
            "tagsColumn": "kind",
        }


class Marks(cogbuilder.Builder[variants.Dataquery]):
    """The query of an annotation over ``event``."""

    def __init__(self, query: str) -> None:
        self._model = AnnotationModel(query)

    def build(self) -> variants.Dataquery:
        """The query model."""
        return self._model


def over_time(select: str, measurement: str, where: Sequence[str] = (HOST,), by: Sequence[str] = ("host",)) -> str:
    """``select`` per ``$__interval`` and tag; gaps stay gaps."""
    tags = "".join(f', "{tag}"' for tag in by)
    return f'SELECT {select} FROM "{measurement}" WHERE {_and(where)} GROUP BY time($__interval){tags} fill(none)'


def over_range(select: str, measurement: str, where: Sequence[str] = (HOST,), by: Sequence[str] = ("host",)) -> str:
    """One row per tag set for the dashboard's whole range."""
    tags = ", ".join(f'"{tag}"' for tag in by)
    return f'SELECT {select} FROM "{measurement}" WHERE {_and(where)}' + (f" GROUP BY {tags}" if tags else "")


def raw(select: str, measurement: str, where: Sequence[str]) -> str:
    """Rows as they are, newest first."""
    return f'SELECT {select} FROM "{measurement}" WHERE {_and(where)} ORDER BY time DESC LIMIT 200'


def rate_bps(field: str) -> str:
    """A byte delta as bits per second over the window."""
    return f'sum("{field}") * 8000 / $__interval_ms'


def tag_values(measurement: str, tag: str, where: str = "") -> str:
    """A variable's query."""
    return f'SHOW TAG VALUES FROM "{measurement}" WITH KEY = "{tag}"' + (f" WHERE {where}" if where else "")


def _and(where: Sequence[str]) -> str:
    return " AND ".join([*where, "$timeFilter"])
