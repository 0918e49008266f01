"""Rates on a real engine: whatever the range and the agent's interval, they integrate to the bytes that were stored."""

import random
import time
from collections.abc import Iterator
from typing import Any

import pytest

from grafana.generate.parts.influxql import HOST, MAX_POINTS, SOURCES, over_time, rate_bps, step_query, totals
from grafana.generate.parts.presence import outages, running
from tests.grafana.coarse import POLICIES, policies, write_lines
from tests.grafana.sse import interval_ms, substitute
from tests.servers import InfluxQL, influxql

pytestmark = pytest.mark.server

S = 10**9
INTERVALS_S = (1, 10, 60)
RANGES_S = {"15m": 900, "6h": 6 * 3600, "24h": 86_400, "30d": 30 * 86_400}
OUTAGE_S = (3 * 3600, 3 * 3600 - 1500)
CONSTANT_BPS = 1_000_000


def gaps(seed: int) -> list[tuple[int, int]]:
    """When the agent did not run, as ages in seconds (from, to): a fixed one, and random ones of 10 to 59 minutes.

    They lie so far apart that no two share a window of two hours.
    """
    dice = random.Random(seed + 1)
    lengths = [dice.randrange(600, 3540) for _ in range(6)]
    begins = [
        dice.randrange(first, last) * 3600
        for first, last in ((8, 22), (28, 60), (80, 200), (250, 400), (420, 680), (692, 715))
    ]
    return [OUTAGE_S, *((age, age - length) for age, length in zip(begins, lengths, strict=True))]


def ticks(now_s: int, step: int, seed: int) -> dict[int, int]:
    """Time in ns → received bytes of each tick of 30 days: bursts, silence, an outage; the last half hour even."""
    dice = random.Random(seed)
    phase = dice.randrange(S // 4, 3 * S // 4)
    rows, level, silent = {}, 0, gaps(seed)
    for age in range(30 * 86_400, 0, -step):
        if dice.random() < 0.02:
            level = dice.choice((0, 0, dice.randrange(2_000_000)))
        if any(last <= age < first for first, last in silent):
            continue
        at_s = (now_s - age) // step * step
        rows[at_s * S + phase] = CONSTANT_BPS // 8 * step if age < 1800 else level * step
    return rows


@pytest.fixture(scope="module", params=INTERVALS_S, ids=lambda step: f"every{step}s")
def stored(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A host and an application, raw for the last day and in windows for 30; seeds are new in every run."""
    step, seed = request.param, time.time_ns() % 100_000
    now_s = int(time.time())
    rows = ticks(now_s, step, seed)
    with influxql(tmp_path_factory.mktemp("rates")) as server, policies(server):
        recent = {t: b for t, b in rows.items() if t > (now_s - 27 * 3600) * S}
        lines = [f"host_traffic,host=desk,iface=eth0 rx_bytes={b}i {t}" for t, b in recent.items()]
        lines += [f"app_traffic,host=desk,app=steam rx_bytes={b}i {t}" for t, b in recent.items() if b]
        lines += [f"agent,host=desk,part=collector rss_bytes=1i {t}" for t in recent]
        for start in range(0, len(lines), 20_000):
            server.write_lines(lines[start : start + 20_000])
        for policy, window_s in POLICIES.items():
            sums: dict[int, int] = {}
            counts: dict[int, int] = {}
            for t, b in rows.items():
                start = t // (window_s * S) * window_s * S
                sums[start] = sums.get(start, 0) + b
                counts[start] = counts.get(start, 0) + 1
            coarse = [f"host_traffic,host=desk,iface=eth0 rx_bytes={b}i {t}" for t, b in sums.items()]
            coarse += [f"app_traffic,host=desk,app=steam rx_bytes={b}i {t}" for t, b in sums.items() if b]
            coarse += [f"agent,host=desk,part=collector rss_bytes=1,n={n}i {t}" for t, n in counts.items()]
            for start in range(0, len(coarse), 20_000):
                write_lines(server, policy, coarse[start : start + 20_000])
        yield server, rows, step, now_s, seed


def drawn(server: InfluxQL, targets: Any, range_s: int, now_s: int, step: int) -> tuple[dict[int, float | None], int]:
    """What a panel draws: window's start in ns → value; and the window in ms. Exactly one source answers."""
    window = interval_ms(range_s * 1000, MAX_POINTS, max(step, 5) * 1000)
    answers = []
    for target in targets:
        series = server.query(substitute(target.query, (now_s - range_s) * S, now_s * S, window))
        answers += [{row[0]: row[1] for row in entry["values"]} for entry in series]
    assert len(answers) == 1, f"{len(answers)} of {len(SOURCES)} sources answer"
    return answers[0], window


@pytest.mark.parametrize("name", RANGES_S)
@pytest.mark.parametrize("measurement", ["host_traffic", "app_traffic"])
def test_a_rate_integrates_to_the_stored_bytes(stored: Any, name: str, measurement: str) -> None:
    server, rows, step, now_s, seed = stored
    fill = "null" if measurement == "host_traffic" else "0"
    targets = over_time(rate_bps("rx_bytes"), measurement, (HOST,), ("host",), alias="x", fill=fill)
    values, window = drawn(server, targets, RANGES_S[name], now_s, step)
    first, last = min(values), max(values) + window * 1_000_000
    shown = sum(value or 0 for value in values.values()) * window / 8000
    kept = sum(b for t, b in rows.items() if first <= t < last)
    assert shown == pytest.approx(kept, rel=0.01, abs=1), f"seed {seed}"
    assert last - first >= RANGES_S[name] * S - 3 * window * 1_000_000 - 130 * S, "most of the range is drawn"


@pytest.mark.parametrize("name", RANGES_S)
def test_a_total_is_the_stored_bytes(stored: Any, name: str) -> None:
    """Up to 26 hours to the byte, put together of windows and rows as written; beyond, hours are what there is."""
    server, rows, _, now_s, seed = stored
    start, stop = (now_s - RANGES_S[name]) * S, now_s * S
    answers = [
        server.values(substitute(target.query, start, stop))
        for target in totals({"v": 'sum("rx_bytes")'}, "app_traffic", (HOST,), ())
    ]
    (shown,) = [answer[0][1] for answer in answers if answer]
    kept = sum(b for t, b in rows.items() if start <= t <= stop)
    assert shown == (kept if name != "30d" else pytest.approx(kept, rel=0.01)), f"seed {seed}"


def test_a_constant_rate_is_drawn_as_constant_up_to_the_right_edge(stored: Any) -> None:
    """At 15 minutes a window holds whole ticks, and the last one is whole: 1 Mbit/s is 1 Mbit/s everywhere."""
    server, _, step, now_s, _ = stored
    for measurement, fill in (("host_traffic", "null"), ("app_traffic", "0")):
        targets = over_time(rate_bps("rx_bytes"), measurement, alias="x", fill=fill)
        values, window = drawn(server, targets, 900, now_s, step)
        assert len(values) >= 900_000 // window - 3
        # A window of 5 s holds 5 ticks of a second; the phase lies away from its edges.
        assert list(values.values()) == pytest.approx([CONSTANT_BPS] * len(values), rel=0.01)


@pytest.mark.parametrize("show", ["host_traffic", "app_traffic", "band", "state"])
@pytest.mark.parametrize("name", RANGES_S)
def test_a_range_that_ends_in_the_future_draws_no_window_that_has_not_ended(stored: Any, name: str, show: str) -> None:
    """As Forecast's does and "Today": the window that runs now is low, those after it are empty, 0 or an outage."""
    server, rows, step, now_s, seed = stored
    ahead_s = min(6 * 3600, RANGES_S[name] // 2)
    measured = over_time(rate_bps("rx_bytes"), show, alias="x", fill="null" if show == "host_traffic" else "0")
    targets = {"band": outages(), "state": running(("host", "part"), "x")}.get(show, measured)
    values, window = drawn(server, targets, RANGES_S[name], now_s + ahead_s, step)
    last, lag_s = max(values), 10 if RANGES_S[name] < 26 * 3600 else 120
    assert last + window * 10**6 <= time.time_ns() - lag_s * S, "a window that has not ended is drawn"
    assert last + 2 * window * 10**6 > (now_s - lag_s) * S - (max(step, 60) * S), "the last whole window is drawn"
    if show in ("host_traffic", "app_traffic"):
        kept = sum(b for t, b in rows.items() if last <= t < last + window * 10**6)
        assert (values[last] or 0) * window / 8000 == pytest.approx(kept, rel=0.01, abs=1), f"seed {seed}"


@pytest.mark.parametrize("name", ["6h", "24h"])
def test_an_outage_is_a_gap_of_the_host_and_a_grey_band_behind_the_applications(stored: Any, name: str) -> None:
    server, _, step, now_s, _ = stored
    host, window = drawn(
        server, over_time(rate_bps("rx_bytes"), "host_traffic", alias="x"), RANGES_S[name], now_s, step
    )
    grey, _ = drawn(server, outages(), RANGES_S[name], now_s, step)
    inside = [
        t
        for t in host
        if t >= (now_s - OUTAGE_S[0] + 2 * step) * S and t + window * 10**6 <= (now_s - OUTAGE_S[1] - 2 * step) * S
    ]
    assert len(inside) >= 3
    assert all(host[t] is None and grey[t] == 1 for t in inside)


@pytest.mark.parametrize("name", ["6h", "24h", "3d", "30d"])
@pytest.mark.parametrize("show", ["band", "state"])
def test_an_outage_of_ten_minutes_is_seen_at_every_range_and_nothing_else_is(stored: Any, name: str, show: str) -> None:
    """At 30 days a window is two hours wide: the band's height and the state's share are what was measured of it."""
    server, _, step, now_s, seed = stored
    range_s = RANGES_S.get(name, 3 * 86_400)
    targets = outages() if show == "band" else running(("host", "part"), "x")
    shares, window = drawn(server, targets, range_s, now_s, max(step, 60))
    missed = {t: (value or 0.0) if show == "band" else 1 - (value or 0.0) for t, value in shares.items()}
    begin, end = min(missed), max(missed) + window * 10**6
    silent = [((now_s - first) * S, (now_s - last) * S) for first, last in gaps(seed)]
    silent = [(a, b) for a, b in silent if a > begin and b < end]
    assert len(silent) >= {"6h": 1, "24h": 2, "3d": 3, "30d": 6}[name]
    touched = set()
    for a, b in silent:
        windows = [t for t in missed if t < b + 60 * S and t + window * 10**6 > a - 60 * S]
        assert max(missed[t] for t in windows) > 0.02, f"seed {seed}: an outage of {(b - a) // S} s left no trace"
        shown_s = sum(missed[t] for t in windows) * window / 1000
        # A source window cut at one of the two ends may be all that its own window has, and then counts as whole.
        cut_s = 2 * (300 if name in ("3d", "30d") else 60)
        assert shown_s == pytest.approx((b - a) / S, abs=cut_s + 10), f"seed {seed}"
        touched.update(windows)
    wrong = {t: missed[t] for t in sorted(missed.keys() - touched) if abs(missed[t]) > 0.02}
    assert not wrong, f"seed {seed}: shown beside {silent}"


@pytest.mark.parametrize("which", range(7), ids=lambda which: f"gap{which}")
@pytest.mark.parametrize("show", ["band", "state"])
def test_a_host_that_was_silent_when_the_range_began_is_seen_as_silent(stored: Any, which: int, show: str) -> None:
    """It is no new computer: the hours of the 30 days before know it."""
    server, _, step, now_s, seed = stored
    first, last = gaps(seed)[which]
    range_s = last + (first - last) * 3 // 4
    targets = outages() if show == "band" else running(("host", "part"), "x")
    shares, window = drawn(server, targets, range_s, now_s, max(step, 60))
    start_ms = (now_s - range_s) * 1000
    whole = range(start_ms - start_ms % window + window, (now_s - last - 60) * 1000 - window, window)
    missed = {t: (value or 0.0) if show == "band" else 1 - (value or 0.0) for t, value in shares.items()}
    assert min(missed) == whole.start * 10**6, f"seed {seed}: drawn from {min(missed)} on"
    assert all(missed[t * 10**6] > 0.98 for t in whole), f"seed {seed}"
    assert len(whole) >= 3 or range_s > 18_000


@pytest.mark.parametrize("show", ["band", "state"])
def test_a_computer_that_is_new_was_not_silent_before(stored: Any, show: str) -> None:
    server, rows, step, now_s, _ = stored
    targets = outages() if show == "band" else running(("host", "part"), "x")
    shares, window = drawn(server, targets, 40 * 86_400, now_s, max(step, 60))
    assert min(shares) > min(rows) - window * 10**6


def test_the_step_variable_is_the_agents_interval_and_at_least_five_seconds(stored: Any) -> None:
    server, _, step, _, _ = stored
    assert [row[1] for row in server.values(step_query())] == [max(step, 5)]
