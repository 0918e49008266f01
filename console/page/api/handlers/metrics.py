"""``/metrics``: the present in the Prometheus text format 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats).

Base units, no label for the host, at most ``collector.max_apps`` applications. Counters count since the collector
started, and start anew when it does.
"""

from collections.abc import Iterable, Iterator

from console.page.api.operation import Answer, Call
from qos import __version__
from qos.contract.documents.live import Live


def get_metrics(call: Call) -> Answer:
    """The exposition; without a collector only ``autoqos_build_info`` and ``autoqos_up 0``."""
    live = Live.parse(call.service.store.get_state(Live.KEY))
    fresh = live if live is not None and live.fresh(call.now_ns) else None
    text = "\n".join(lines(fresh, call.service.config.collector.max_apps)) + "\n"
    return Answer(text=text, media="text/plain; version=0.0.4")


def lines(live: Live | None, most: int) -> Iterator[str]:
    """The exposition, line by line. Pure."""
    yield from _family("autoqos_build_info", "gauge", "The version of AutoQoS", [({"version": __version__}, 1)])
    yield from _family("autoqos_up", "gauge", "1 while the collector measures", [({}, int(live is not None))])
    if live is None:
        return
    apps = live.rows("app")[:most]
    for name, help_text, field in (
        ("autoqos_app_receive_bytes_total", "Bytes received, by application", "rx_bytes"),
        ("autoqos_app_transmit_bytes_total", "Bytes sent, by application", "tx_bytes"),
    ):
        yield from _family(name, "counter", help_text, [({"app": row.app}, getattr(row, field)) for row in apps])
    rtts = [({"target": probe.target}, probe.rtt_ms / 1000) for probe in live.probes if probe.rtt_ms is not None]
    yield from _family("autoqos_probe_rtt_seconds", "gauge", "Newest round trip", rtts)
    losses = [({"target": p.target}, p.loss_ratio) for p in live.probes if p.loss_ratio is not None]
    yield from _family("autoqos_probe_loss_ratio", "gauge", "Echoes lost over the window, 0 to 1", losses)
    rest = live.unattributed
    yield from _family(
        "autoqos_unattributed_bytes_total",
        "counter",
        "Bytes that no application could be named for",
        [({"direction": "receive"}, rest.rx_bytes), ({"direction": "transmit"}, rest.tx_bytes)],
    )


def _family(name: str, kind: str, help_text: str, samples: Iterable[tuple[dict[str, str], float]]) -> Iterator[str]:
    yield f"# HELP {name} {help_text}"
    yield f"# TYPE {name} {kind}"
    for labels, value in samples:
        inner = ",".join(f'{key}="{_escape(text)}"' for key, text in labels.items())
        yield f"{name}{{{inner}}} {value}" if inner else f"{name} {value}"


def _escape(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
