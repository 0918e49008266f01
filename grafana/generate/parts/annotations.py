"""Annotations: the few moments that explain a curve, filtered as the panels are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog import builder as cogbuilder
from grafana_foundation_sdk.cog import variants

from grafana.generate.parts.influxql import HOST, SOURCE

NARROW: Final = "($__to - $__from) < 180000000"
"""Up to 50 hours: beyond, marks stand so close that they are a solid block."""


@dataclass
class AnnotationModel(variants.Dataquery):
    """An annotation's target: the plugin reads its columns by name (``influxdb/migrations.ts``, prepareAnnotation)."""

    query: str
    title: str
    text: str
    tags: str

    def to_json(self) -> dict[str, object]:
        """The JSON that Grafana stores."""
        return {
            "refId": "Anno",
            "datasource": SOURCE.to_json(),
            "query": self.query,
            "rawQuery": True,
            "queryType": "tags",
            "fromAnnotations": True,
            "titleColumn": self.title,
            "textColumn": self.text,
            "tagsColumn": self.tags,
        }


class Marks(cogbuilder.Builder[variants.Dataquery]):
    """The query of an annotation."""

    def __init__(self, model: AnnotationModel) -> None:
        self._model = model

    def build(self) -> variants.Dataquery:
        """The query model."""
        return self._model


def lag_marks(panels: Sequence[int]) -> dashboard.AnnotationQuery:
    """Lag incidents that an application made, with its name, on the panels named."""
    query = (
        f'SELECT "evidence", "app", "direction" FROM "lag_incident" WHERE {NARROW} AND "cause" = \'application\' AND {HOST} '
        "AND $timeFilter ORDER BY time DESC LIMIT 100"
    )
    return _query("Lag made by", AnnotationModel(query, "app", "evidence", "direction"), "red", panels, enable=True)


def other_lag_marks(panels: Sequence[int]) -> dashboard.AnnotationQuery:
    """Lag incidents with another cause, such as the provider."""
    query = (
        f'SELECT "evidence", "cause" FROM "lag_incident" WHERE {NARROW} AND "cause" != \'application\' AND {HOST} '
        "AND $timeFilter ORDER BY time DESC LIMIT 100"
    )
    return _query("Other lag", AnnotationModel(query, "cause", "evidence", ""), "yellow", panels, enable=True)


def limit_marks(panels: Sequence[int], where: str = "") -> dashboard.AnnotationQuery:
    """Limits that began or changed; ``where`` narrows them to the chosen applications (an event's ``subject``).

    Off until asked for: the control loop moves limits every second, and a hundred marks hide what they mark.
    """
    query = (
        f'SELECT "message", "subject", "kind" FROM "event" WHERE {NARROW} AND "part" = \'enforcer\' AND "kind" = \'limit\''
        f"{where} AND {HOST} AND $timeFilter ORDER BY time DESC LIMIT 100"
    )
    return _query("Limits", AnnotationModel(query, "subject", "message", "kind"), "orange", panels, enable=False)


def round_marks(panels: Sequence[int]) -> dashboard.AnnotationQuery:
    """Training rounds of the forecaster."""
    query = (
        f'SELECT "message", "subject", "kind" FROM "event" WHERE {NARROW} AND "part" = \'forecaster\' AND {HOST} '
        "AND $timeFilter ORDER BY time DESC LIMIT 100"
    )
    return _query("Rounds", AnnotationModel(query, "subject", "message", "kind"), "purple", panels, enable=False)


def _query(
    name: str, model: AnnotationModel, color: str, panels: Sequence[int], *, enable: bool
) -> dashboard.AnnotationQuery:
    return (
        dashboard.AnnotationQuery()
        .name(name)
        .datasource(SOURCE)
        .enable(enable)
        .icon_color(color)
        .filter(dashboard.AnnotationPanelFilter().ids(list(panels)))
        .target(Marks(model))
    )
