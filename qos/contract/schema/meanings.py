"""What each tag and field means, and since which version it is there. A test holds the keys to the points."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

FIRST: Final = "0.1"
SINCE: Final[Mapping[str, str]] = MappingProxyType({})
"""Measurement or ``measurement.field`` → version, where it came later than ``FIRST``."""

TAGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "host": "the computer: `host:` of config.yaml, else its name",
        "app": "the application: its normalised executable name; beyond 500 different ones `other`",
        "iface": "the network interface",
        "target": "the address or name that is probed",
        "series": "what is predicted: `host_down`, `latency:TARGET`, `app:NAME` …",
        "model": "the model that predicts",
        "part": "the part of AutoQoS that writes it",
        "cause": "what made it: an application, others on the line, the provider …",
        "kind": "what kind of event",
        "direction": "`down` or `up`",
        "pid": "the process's number",
        "started": "when that process started, so that a reused number is another series",
    }
)

_TRAFFIC: Final = {
    "rx_bytes": "received in the interval",
    "tx_bytes": "sent in the interval",
    "rx_packets": "received in the interval; 0 where the capture does not count packets",
    "tx_packets": "sent in the interval; 0 where the capture does not count packets",
}
_COST: Final = {
    "cpu_percent": "share of one core over the interval",
    "rss_bytes": "resident memory",
}

FIELDS: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "app_traffic": {
            **_TRAFFIC,
            "flows": "connections (TCP) and conversations (UDP) with traffic",
            "processes": "processes with traffic",
            "priority": "level in force, 0 critical to 5 background",
        },
        "host_traffic": {
            "rx_bytes": "received by the interface in the interval",
            "tx_bytes": "sent by the interface in the interval",
            "rx_drops": "received packets that the system dropped",
            "tx_drops": "packets that the system dropped before sending",
            "rx_errors": "received packets with an error",
            "tx_errors": "packets that could not be sent",
            "unattributed_rx_bytes": "received, but no application could be named for it",
            "unattributed_tx_bytes": "sent, but no application could be named for it",
        },
        "probe": {
            "ok": "1: an answer came; 0: none, `reason` says why",
            "rtt_ms": "round trip of the answer; absent without one",
            "jitter_ms": "smoothed difference of successive round trips (RFC 3550, section 6.4.1)",
            "loss_ratio": "share of the last probes without an answer",
            "sent": "probes sent for this row",
            "received": "answers to them",
            "reason": "why there is no answer; empty when there is one",
            "kind": "how it was asked: an echo, a TCP connection …",
        },
        "app_resources": _COST,
        "app_limit": {
            "down_bps": "limit of what is received; absent: none",
            "up_bps": "limit of what is sent; absent: none",
            "active": "1 while the limit is in force, 0 in the row that ends it",
            "delayed_packets": "packets that were held back in the interval",
            "dropped_packets": "packets dropped by the queue's management or at its bound",
            "queue_ms": "how long the oldest packet had waited",
            "reason": "why the application is limited",
        },
        "forecast": {
            "value": "prediction for this row's time, in the series' unit (bps, ms or a ratio)",
            "lower": "lower end of the 80 % band",
            "upper": "upper end of the 80 % band",
            "baseline": "what the naive baseline predicts",
            "made_at": "when it was made, UTC nanoseconds",
        },
        "forecast_score": {
            "mae": "mean absolute error on later data, in the series' unit",
            "rmse": "root of the mean squared error, in the series' unit",
            "mase": "MAE over that of the naive forecast (below 1 is better than naive)",
            "r2": "coefficient of determination",
            "coverage": "share of later values inside the 80 % band",
            "samples": "values that were scored",
            "train_seconds": "how long fitting took",
            "published": "1 for the model that serves",
        },
        "agent": {
            **_COST,
            "points_written": "points that the part wrote in the interval (shipper: rows that InfluxDB took)",
            "points_dropped": "points lost, or set aside because InfluxDB does not take them",
            "capture_lost": "packets or events that the capture lost",
            "outbox_rows": "rows that wait for InfluxDB now",
            "restarts": "restarts of parts since the last row",
            "version": "the AutoQoS that wrote the row",
        },
        "event": {
            "subject": "what it is about: an application, a part, `begin` or `end`",
            "message": "the event in a sentence",
        },
        "link": {
            "down_bps": "what the line receives at most, from `link:` in config.yaml",
            "up_bps": "what the line sends at most, from `link:` in config.yaml",
        },
        "link_estimate": {
            "capacity_bps": "what the line was learned to carry",
            "budget_bps": "what elastic applications may use together; absent: not limited",
            "confidence": "how sure the estimate is",
            "age_s": "since the evidence for it",
            "state": "what the control loop does",
        },
        "lag_incident": {
            "duration_s": "how long it lasted so far",
            "extra_ms": "delay above the idle line's",
            "loss_ratio": "loss while it lasted",
            "cause": "what made it: an application, others on the line, the provider …",
            "app": "the application, where one made it",
            "direction": "the direction that was full",
            "share_ratio": "that application's share of the traffic",
            "confidence": "how sure the diagnosis is",
            "running": "1 while it lasts",
            "suffered": "the applications that had to wait",
            "evidence": "what the diagnosis rests on, in a sentence",
        },
        "lag_cause": {
            "extra_ms": "delay above the idle line's, of the incident so far",
            "loss_ratio": "loss of the incident so far",
            "confidence": "how sure the verdict is",
        },
        "process_traffic": {
            "rx_bytes": "received in the interval",
            "tx_bytes": "sent in the interval",
            "rx_packets": "received in the interval",
            "tx_packets": "sent in the interval",
        },
    }
)
