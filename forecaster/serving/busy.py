"""When the line is expected to be nearly full in the next two days: what the enforcer may act upon beforehand.

Taken from the forecast in hours (``host_down@1h``, ``host_up@1h``), and only where a model that knows the time of day
serves: naive foresees nothing. The capacity is the one that a person set, else the one that the enforcer learned.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, Protocol, runtime_checkable

from forecaster.data.series import LONG_STEP_NS, LONG_SUFFIX, SeriesId
from forecaster.serving.serve import Prediction
from qos.contract.config import Config, Link
from qos.contract.documents.busy_times import BusyDirection, BusyTime, BusyTimes
from qos.contract.documents.link_estimates import LinkEstimates
from qos.store import Store

BUSY_SHARE: Final = 0.6
"""Of the capacity, as the mean of an hour: within such an hour the line is full for a good part of the time."""
LEAST_CONFIDENCE: Final = 0.5
"""A learned capacity of less is not used."""
SIDES: Final = {"down": "host_down" + LONG_SUFFIX, "up": "host_up" + LONG_SUFFIX}


@runtime_checkable
class DocumentStore(Protocol):
    """The embedded store, which keeps documents too; InfluxDB does not."""

    def get_state(self, key: str) -> Any | None:
        """A document, or None."""

    def set_state(self, key: str, value: Any) -> None:
        """Keep a document."""


class ResultLike(Protocol):
    """What is looked at of one series' result."""

    @property
    def series(self) -> SeriesId:
        """Which."""

    @property
    def prediction(self) -> Prediction | None:
        """Its forecast, if it has one."""


def known_link(store: Store, config: Config) -> Link:
    """The line's capacity: as set; where it is not, as the enforcer learned it of the present network."""
    if not isinstance(store, DocumentStore):
        return config.link
    estimates = LinkEstimates.parse(store.get_state(LinkEstimates.KEY))
    learned = {
        way: one.bps for way, one in estimates.of(estimates.current).items() if one.confidence >= LEAST_CONFIDENCE
    }
    set_by_hand = {"down": config.link.down, "up": config.link.up}
    return config.link.model_copy(
        update={way: bps if bps is not None else learned.get(way) for way, bps in set_by_hand.items()}
    )


def busy_times(results: Iterable[ResultLike], host: str, link: Link, made_ns: int) -> BusyTimes:
    """Spans of hours that reach ``BUSY_SHARE`` of the capacity, per direction that has a forecast and a capacity."""
    found: dict[str, BusyDirection] = {}
    made: Mapping[str, Prediction] = {
        one.series.name: one.prediction for one in results if one.series.host == host and one.prediction is not None
    }
    for way, name in SIDES.items():
        capacity, prediction = link.down if way == "down" else link.up, made.get(name)
        if capacity and prediction is not None:
            times = () if prediction.model == "naive" else tuple(_spans(prediction, BUSY_SHARE * capacity))
            found[way] = BusyDirection(capacity, times)
    return BusyTimes(made_ns, found)


def _spans(prediction: Prediction, least: float) -> Iterable[BusyTime]:
    start_ns = stop_ns = 0
    highest = 0.0
    for time_ns, value in zip(prediction.times_ns, prediction.value, strict=True):
        if value < least:
            continue
        if time_ns != stop_ns:
            if stop_ns:
                yield BusyTime(start_ns, stop_ns, int(highest))
            start_ns, highest = time_ns, 0.0
        stop_ns = time_ns + LONG_STEP_NS
        highest = max(highest, float(value))
    if stop_ns:
        yield BusyTime(start_ns, stop_ns, int(highest))


def keep_busy_times(store: Store, results: Iterable[ResultLike], config: Config, now_ns: int) -> None:
    """Write the document, where the store keeps such and there is a forecast in hours. Raises StoreUnavailable."""
    if not isinstance(store, DocumentStore):
        return
    found = busy_times(results, config.host, config.link, now_ns)
    if found.directions:
        store.set_state(BusyTimes.KEY, found.dump())
