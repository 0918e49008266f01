"""``autoqos status``: which parts run, how the capture goes, what is lost, how large the store is, what AutoQoS costs.

Reads the heartbeats and asks the system whether their processes live; works when nothing runs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import psutil

from console.commands.context import Context
from console.steering.overrides import read_pause
from console.views.learned_line import told
from console.views.times import rfc3339
from qos.contract.documents.engine import EngineReport
from qos.contract.documents.heartbeat import Heartbeat
from qos.contract.documents.limits import STALE_NS, Limits
from qos.contract.documents.link_estimates import LinkEstimates
from qos.contract.documents.live import Live
from qos.contract.documents.mode import ModeOverride
from qos.contract.documents.shipping_report import ShippingReport
from qos.service import writer_lives
from qos.service.config_file import load_secrets
from qos.shipping.set_aside import count_lines
from qos.shipping.settings import NO_TOKEN, forecaster_place, influx_settings

if TYPE_CHECKING:
    from forecaster.quota.outlook import QuotaOutlook
    from qos.store.sqlite.store import SqliteStore

_CURSOR: Final = "influxdb"
"""The outbox's name in the store."""


@dataclass(frozen=True, slots=True)
class PartStatus:
    """One part as its heartbeat and the system tell it. ``running`` needs both."""

    part: str
    running: bool
    state: str
    detail: str
    pid: int | None
    heartbeat: str
    age_s: float
    cpu_percent: float | None
    rss_bytes: int | None


@dataclass(frozen=True, slots=True)
class Status:
    """Everything that ``autoqos status`` says."""

    data_dir: str
    config: str | None
    mode: str
    """The running enforcer's; else what the settings and ``autoqos enforce`` say."""
    store_path: str
    store_bytes: int | None
    parts: tuple[PartStatus, ...]
    live: Live | None
    outbox: dict[str, Any] | None
    paused: bool
    line: tuple[str, ...] = ()
    """What was learned of the line, in words; only where the enforcer acts upon it."""
    forecasts: str = ""
    """Where forecasts are made, in a sentence."""
    quota: tuple["QuotaOutlook", ...] = ()
    """Each data volume of the settings."""
    config_in_force: str | None = None
    """The settings of the supervisor that runs; ``config`` are those of this folder or of ``--config``."""

    @property
    def running(self) -> tuple[PartStatus, ...]:
        """The parts that run now."""
        return tuple(part for part in self.parts if part.running)

    def document(self) -> dict[str, Any]:
        """JSON's object; the shape is kept stable."""
        live = self.live
        cpu = [part.cpu_percent for part in self.running if part.cpu_percent is not None]
        rss = [part.rss_bytes for part in self.running if part.rss_bytes is not None]
        return {
            "running": bool(self.running),
            "mode": self.mode,
            "paused": self.paused,
            "data_dir": self.data_dir,
            "config": self.config,
            "config_in_force": self.config_in_force,
            "store": {"path": self.store_path, "bytes": self.store_bytes},
            "parts": [asdict(part) for part in self.parts],
            "capture": None
            if live is None
            else {
                "backend": live.backend,
                "reason": live.backend_reason,
                "blind_to": list(live.blind_to),
                "lost": live.lost,
                "coverage": live.coverage,
                "time": rfc3339(live.time_ns),
            },
            "self": {"cpu_percent": round(sum(cpu), 3), "rss_bytes": sum(rss)},
            "outbox": self.outbox,
            "lag": None if live is None or live.lag is None else live.lag.dump(),
            "forecasts": self.forecasts,
            "notes": [] if live is None else list(live.notes),
            "line": list(self.line),
            "quota": [one.document() for one in self.quota],
        }


def read_status(context: Context, now_ns: int) -> Status:
    """The status now (UTC ns). A store that cannot be opened raises; one that is not there is a status too."""
    if not context.has_store:
        return _status(context, None, (), None, None, paused=False)
    with context.reading() as store:
        beats = _heartbeats(store)
        parts = tuple(_part(store, name, beat, now_ns) for name, beat in beats.items())
        live = Live.parse(store.get_state(Live.KEY))
        collecting = any(part.part == "collector" and part.running for part in parts)
        return _status(
            context,
            store.size_bytes(),
            parts,
            live if collecting else None,
            _outbox(context, store, parts, beats, now_ns),
            paused=read_pause(store, now_ns) is not None,
            mode=_mode(context, store, parts, now_ns),
            line=_line(context, store, now_ns),
            quota=_quota(context, store, now_ns),
            config_in_force=_config_in_force(context, parts, beats),
        )


def _status(
    context: Context,
    size: int | None,
    parts: tuple[PartStatus, ...],
    live: Live | None,
    outbox: dict[str, Any] | None,
    *,
    paused: bool,
    mode: str | None = None,
    line: tuple[str, ...] = (),
    quota: "tuple[QuotaOutlook, ...]" = (),
    config_in_force: str | None = None,
) -> Status:
    return Status(
        data_dir=str(context.data),
        config=str(context.config_path) if context.config_path else None,
        mode=mode or context.config.mode,
        store_path=str(context.store_path),
        store_bytes=size,
        parts=parts,
        live=live,
        outbox=outbox,
        paused=paused,
        line=line,
        quota=quota,
        forecasts=forecaster_place(context.config).sentence,
        config_in_force=config_in_force,
    )


def _mode(context: Context, store: "SqliteStore", parts: Sequence[PartStatus], now_ns: int) -> str:
    """What the running enforcer says that it does: this command may have been given other settings than it."""
    if any(part.part == "enforcer" and part.running for part in parts):
        limits = Limits.parse(store.get_state(Limits.KEY))
        if limits is not None and limits.mode and abs(now_ns - limits.time_ns) < STALE_NS:
            return limits.mode
    by_hand = ModeOverride.parse(store.get_state(ModeOverride.KEY))
    return context.config.mode if by_hand is None else by_hand.mode


def _config_in_force(context: Context, parts: Sequence[PartStatus], beats: Mapping[str, Heartbeat]) -> str | None:
    if not any(part.part == "supervisor" and part.running for part in parts):
        return None
    found, own = beats["supervisor"].report.get("config"), context.config_path
    if own is not None and found == str(own.absolute()):
        return str(own)
    return found if isinstance(found, str) else None


def _quota(context: Context, store: "SqliteStore", now_ns: int) -> "tuple[QuotaOutlook, ...]":
    if not context.config.quota:
        return ()
    from forecaster.quota.outlook import read_outlooks  # numpy only where somebody has a volume to watch

    return read_outlooks(store, context.config, now_ns)


def _line(context: Context, store: "SqliteStore", now_ns: int) -> tuple[str, ...]:
    limits = Limits.parse(store.get_state(Limits.KEY))
    if limits is None or limits.mode != "enforce" or limits.engine.auto is None:
        return ()
    known = LinkEstimates.parse(store.get_state(LinkEstimates.KEY))
    link = context.config.link
    return (*told(known, limits.engine.auto, link.down, link.up, now_ns), *_datapath(limits.engine))


def _datapath(engine: EngineReport) -> tuple[str, ...]:
    """What holds the packets now, and why not the kernel where it does not; nothing while nobody is held."""
    if not engine.handles:
        return ()
    if engine.datapath == "kernel":
        return ("limits are held by the kernel's own queues",)
    return (f"limits are held by the enforcer itself{f': {engine.why}' if engine.why else ''}",)


def _part(store: "SqliteStore", name: str, beat: Heartbeat, now_ns: int) -> PartStatus:
    lives, fresh, state = writer_lives(beat), beat.fresh(now_ns), beat.state
    running = lives and fresh and not beat.stopped
    if not beat.stopped and not running:
        state = "silent" if lives else "gone"
    process = _process(beat.pid) if running else None
    return PartStatus(
        part=name,
        running=running,
        state=state,
        detail=beat.detail,
        pid=beat.pid,
        heartbeat=rfc3339(beat.time_ns),
        age_s=round((now_ns - beat.time_ns) / 1e9, 1),
        cpu_percent=_cpu(store, name, process, now_ns) if running else None,
        rss_bytes=process.memory_info().rss if process is not None else None,
    )


def _process(pid: int) -> psutil.Process | None:
    try:
        return psutil.Process(pid)
    except psutil.Error:
        return None


def _cpu(store: "SqliteStore", name: str, process: psutil.Process | None, now_ns: int) -> float | None:
    """Percent of one core over the last minute as the part measured itself, else over its process's life."""
    columns = store.read(
        "agent", ["cpu_percent"], where={"part": name}, start_ns=now_ns - 60 * 10**9, aggregate="mean", by=("part",)
    )
    if columns["time_ns"] and columns["cpu_percent"][0] is not None:
        return round(float(columns["cpu_percent"][0]), 2)
    if process is None:
        return None
    try:
        times, lived = process.cpu_times(), now_ns / 1e9 - process.create_time()
    except psutil.Error:
        return None
    return round(100 * (times.user + times.system) / lived, 2) if lived > 0 else None


def _heartbeats(store: "SqliteStore") -> dict[str, Heartbeat]:
    found = {
        key.removeprefix(Heartbeat.PREFIX): Heartbeat.parse(document)
        for key, document in sorted(store.states(Heartbeat.PREFIX).items())
    }
    return {name: beat for name, beat in found.items() if beat is not None}


def _outbox(
    context: Context,
    store: "SqliteStore",
    parts: Sequence[PartStatus],
    beats: Mapping[str, Heartbeat],
    now_ns: int,
) -> dict[str, Any] | None:
    """What waits for InfluxDB: the shipper's own words while it runs, else counted in the store."""
    running = any(part.part == "shipper" and part.running for part in parts)
    said = ShippingReport.parse(beats["shipper"].report) if running else ShippingReport()
    settings = influx_settings(context.config)
    if settings is None and not running:
        return None
    rows, oldest_ns, aged_out = said.rows, said.oldest_ns, said.aged_out
    if rows is None:
        backlog = store.backlog(_CURSOR)
        rows, oldest_ns, aged_out = backlog.rows, backlog.oldest_ns, backlog.aged_out
    return {
        "url": said.url or (settings.url if settings else ""),
        "running": running,
        "rows": rows,
        "oldest": rfc3339(oldest_ns) if oldest_ns is not None else None,
        "oldest_age_s": round((now_ns - oldest_ns) / 1e9, 1) if oldest_ns is not None else None,
        "aged_out": aged_out,
        "rejected": said.rejected,
        "set_aside": said.set_aside if said.set_aside is not None else count_lines(context.data),
        "history_waiting": said.history_waiting,
        "history_error": said.history_error,
        "rate": said.rate,
        "states": list(said.states),
        "last_error": said.last_error or ("" if load_secrets(context.config_path).influx_token else NO_TOKEN),
    }
