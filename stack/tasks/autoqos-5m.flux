// autoqos/5m: windows of 5m from autoqos, the last 1h again on every run.
// Written by `python -m qos.shipping.downsampling`; do not edit.
import "date"

option task = {name: "autoqos-5m", every: 5m, offset: 1m}

stop = date.truncate(t: now(), unit: 5m)
start = date.sub(from: stop, d: 1h)

from(bucket: "autoqos")
    |> range(start: start, stop: stop)
    |> filter(fn: (r) => (r._measurement == "app_traffic" and (r._field == "rx_bytes" or r._field == "tx_bytes" or r._field == "rx_packets" or r._field == "tx_packets"))
        or (r._measurement == "host_traffic" and (r._field == "rx_bytes" or r._field == "tx_bytes" or r._field == "rx_drops" or r._field == "tx_drops" or r._field == "rx_errors" or r._field == "tx_errors" or r._field == "unattributed_rx_bytes" or r._field == "unattributed_tx_bytes"))
        or (r._measurement == "probe" and (r._field == "sent" or r._field == "received"))
        or (r._measurement == "app_limit" and (r._field == "delayed_packets" or r._field == "dropped_packets"))
        or (r._measurement == "agent" and (r._field == "points_written" or r._field == "points_dropped" or r._field == "capture_lost" or r._field == "restarts"))
        or (r._measurement == "lag_incident" and (r._field == "duration_s")))
    |> aggregateWindow(every: 5m, fn: sum, timeSrc: "_start", createEmpty: false)
    |> to(bucket: "autoqos/5m")

from(bucket: "autoqos")
    |> range(start: start, stop: stop)
    |> filter(fn: (r) => (r._measurement == "probe" and (r._field == "ok" or r._field == "rtt_ms" or r._field == "jitter_ms" or r._field == "loss_ratio"))
        or (r._measurement == "app_resources" and (r._field == "cpu_percent" or r._field == "rss_bytes"))
        or (r._measurement == "agent" and (r._field == "cpu_percent" or r._field == "rss_bytes")))
    |> aggregateWindow(every: 5m, fn: mean, timeSrc: "_start", createEmpty: false)
    |> to(bucket: "autoqos/5m")

from(bucket: "autoqos")
    |> range(start: start, stop: stop)
    |> filter(fn: (r) => (r._measurement == "app_traffic" and (r._field == "flows" or r._field == "processes"))
        or (r._measurement == "app_limit" and (r._field == "active" or r._field == "queue_ms"))
        or (r._measurement == "lag_incident" and (r._field == "extra_ms" or r._field == "loss_ratio" or r._field == "share_ratio")))
    |> aggregateWindow(every: 5m, fn: max, timeSrc: "_start", createEmpty: false)
    |> to(bucket: "autoqos/5m")

from(bucket: "autoqos")
    |> range(start: start, stop: stop)
    |> filter(fn: (r) => (r._measurement == "app_traffic" and (r._field == "priority"))
        or (r._measurement == "probe" and (r._field == "reason"))
        or (r._measurement == "app_limit" and (r._field == "down_bps" or r._field == "up_bps" or r._field == "reason"))
        or (r._measurement == "forecast" and (r._field == "value" or r._field == "lower" or r._field == "upper" or r._field == "baseline" or r._field == "made_at"))
        or (r._measurement == "forecast_score" and (r._field == "mae" or r._field == "rmse" or r._field == "mase" or r._field == "r2" or r._field == "coverage" or r._field == "samples" or r._field == "train_seconds" or r._field == "published"))
        or (r._measurement == "agent" and (r._field == "outbox_rows"))
        or (r._measurement == "event" and (r._field == "subject" or r._field == "message"))
        or (r._measurement == "link" and (r._field == "down_bps" or r._field == "up_bps"))
        or (r._measurement == "link_estimate" and (r._field == "capacity_bps" or r._field == "budget_bps" or r._field == "confidence" or r._field == "age_s" or r._field == "state"))
        or (r._measurement == "lag_incident" and (r._field == "cause" or r._field == "app" or r._field == "direction" or r._field == "confidence" or r._field == "running" or r._field == "suffered" or r._field == "evidence")))
    |> aggregateWindow(every: 5m, fn: last, timeSrc: "_start", createEmpty: false)
    |> to(bucket: "autoqos/5m")
