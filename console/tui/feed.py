"""What the live window shows, read from the store once a second: the present, and how each application is treated."""

from dataclasses import dataclass, field

from console.commands.context import Context
from console.steering.overrides import read_overrides
from console.supervisor.temporary_collector import TemporaryCollector
from console.views.enforcement import AppPolicy, Enforcement, enforcement_beside
from qos.contract.documents.live import Live
from qos.contract.documents.override import Override
from qos.contract.errors import ConfigError, StoreUnavailable


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One look. ``live`` is None while nobody measures; ``trouble`` then says why."""

    live: Live | None = None
    enforcement: Enforcement | None = None
    by_hand: dict[str, Override] = field(default_factory=dict)
    trouble: str = ""

    def policy(self, app: str) -> AppPolicy | None:
        """How an application is treated."""
        return self.enforcement.find(app) if self.enforcement is not None else None

    def priority(self, app: str) -> int | None:
        """Its level: the enforcer's word, else what is set by hand."""
        policy = self.policy(app)
        return policy.priority if policy is not None else None


class LiveFeed:
    """Reads snapshots. ``collector`` is the one that runs for this window only, where there was none."""

    def __init__(self, context: Context, collector: TemporaryCollector | None) -> None:
        self.context = context
        self._collector = collector

    @property
    def temporary(self) -> bool:
        """Whether the collector ends with this window."""
        return self._collector is not None

    def read(self, now_ns: int) -> Snapshot:
        """The present (UTC ns). Never raises for a store that is busy or not there yet."""
        if self._collector is not None and (words := self._collector.ended()) is not None:
            return Snapshot(trouble=f"the collector ended: {words}")
        if not self.context.has_store:
            return Snapshot(trouble="waiting for the first measurement")
        try:
            with self.context.reading() as store:
                live = Live.parse(store.get_state(Live.KEY))
                enforcement = enforcement_beside(store, self.context.config, now_ns, live)
                by_hand = read_overrides(store, now_ns)
        except (ConfigError, StoreUnavailable) as error:
            return Snapshot(trouble=f"store: {error}")
        if live is None or not live.fresh(now_ns):
            words = (
                "waiting for the first measurement"
                if self.temporary
                else "no collector is running any more: start `autoqos up`"
            )
            return Snapshot(None, enforcement, by_hand, words)
        return Snapshot(live, enforcement, by_hand)
