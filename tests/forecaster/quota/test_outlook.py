"""From a store and settings to what is said, as a person sees it; and events once, not every hour."""

import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from forecaster.quota.announce import PREDICTED, REACHED, QuotaAnnouncer
from forecaster.quota.outlook import QuotaOutlook, read_outlooks
from forecaster.quota.words import cap, lines
from qos.contract.config import parse_config
from qos.contract.errors import ConfigError
from qos.contract.points import AppTraffic, HostTraffic, Point
from qos.store.sqlite.store import SqliteStore
from qos.system.clock import wall_ns
from tests.fakes import MemoryStore
from tests.forecaster.quota.test_projection import household

BERLIN = ZoneInfo("Europe/Berlin")
S = 10**9
GB = 10**9
ROOT = Path(__file__).parents[3]


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=BERLIN).timestamp()) * S


def hours(first_ns: int, stop_ns: int, bytes_of_hour: int, host: str = "box", app: str = "steam") -> list[Point]:
    points: list[Point] = []
    for at in range(first_ns, stop_ns, 3600 * S):
        down = bytes_of_hour * 3 // 4
        up = bytes_of_hour - down
        points.append(
            HostTraffic(
                time_ns=at, host=host, iface="eth0", rx_bytes=down, tx_bytes=up, rx_drops=0, tx_drops=0,
                rx_errors=0, tx_errors=0, unattributed_rx_bytes=0, unattributed_tx_bytes=0,
            )
        )  # fmt: skip
        points.append(
            AppTraffic(
                time_ns=at, host=host, app=app, rx_bytes=down // 2, tx_bytes=0, rx_packets=1, tx_packets=1,
                flows=1, processes=1, priority=5,
            )
        )  # fmt: skip
    return points


def outlook(points: list[Point], now: str, text: str = "[{volume: 300GB}]", host: str = "box") -> QuotaOutlook:
    store = MemoryStore()
    store.write(points)
    (one,) = read_outlooks(store, parse_config(f"host: {host}\nquota: {text}"), ns(now), BERLIN)
    return one


def test_what_was_used_since_the_start_day_counts_and_nothing_before_it() -> None:
    # 1 GB an hour over the change of the clock: the 31st of March has 23 hours.
    one = outlook(
        hours(ns("2024-03-01T00:00"), ns("2024-04-02T12:00"), GB), "2024-04-02T12:00", "[{volume: 2TB, start_day: 31}]"
    )
    assert one.used_bytes == (23 + 24 + 12) * GB
    assert one.today_bytes == 12 * GB
    assert one.history_days == 32
    assert one.expected_today is not None
    assert 20 * GB < one.expected_today.value < 28 * GB


def test_an_application_has_a_volume_of_its_own() -> None:
    points = hours(ns("2024-03-01T00:00"), ns("2024-03-11T12:00"), 8 * GB)
    one = outlook(points, "2024-03-11T12:00", "[{volume: 2TB, app: steam}]")
    assert one.name == "steam"
    assert one.used_bytes == (10 * 24 + 12) * 3 * GB
    other = outlook(points, "2024-03-11T12:00", "[{volume: 2TB, app: nobody}]")
    assert other.used_bytes == 0
    assert other.forecast is not None
    assert other.forecast.chance == 0


def test_another_hosts_traffic_is_not_ours() -> None:
    one = outlook(hours(ns("2024-03-01T00:00"), ns("2024-03-11T12:00"), GB, host="other"), "2024-03-11T12:00")
    assert one.reason == "nothing was measured yet"
    assert one.used_bytes == 0


def test_an_empty_history_says_so() -> None:
    one = outlook([], "2024-03-11T12:00")
    assert one.forecast is None
    assert "nothing was measured yet" in cap(one, BERLIN)
    assert next(iter(lines(one, BERLIN))).startswith(
        "whole computer: 0 B of 300.0 GB used (0 %) since 1 Mar, until 31 Mar"
    )


def test_two_whole_days_are_needed_and_a_part_of_a_day_is_none() -> None:
    points = hours(ns("2024-03-09T05:00"), ns("2024-03-11T12:00"), GB)
    one = outlook(points, "2024-03-11T12:00")
    assert one.history_days == 1
    assert one.forecast is None
    assert "1 whole days of history, 2 are needed" in cap(one, BERLIN)
    assert any("counted since 9 Mar 05:00" in line for line in lines(one, BERLIN))


def test_a_day_on_which_the_computer_was_off_used_nothing() -> None:
    points = hours(ns("2024-03-01T00:00"), ns("2024-03-05T00:00"), GB) + hours(
        ns("2024-03-07T00:00"), ns("2024-03-11T12:00"), GB
    )
    one = outlook(points, "2024-03-11T12:00")
    assert one.history_days == 10
    assert one.used_bytes == (4 * 24 + 4 * 24 + 12) * GB


def test_the_cap_is_said_with_its_band_and_when_it_is_crossed_since_when() -> None:
    points = hours(ns("2024-02-01T00:00"), ns("2024-03-11T12:00"), GB)
    soon = outlook(points, "2024-03-11T12:00", "[{volume: 400GB}]")
    assert cap(soon, BERLIN).startswith("expected to be used up about 17 Mar (80 %: between 1")
    over = outlook(points, "2024-03-11T12:00", "[{volume: 100GB}]")
    # Reached in the hour from 3:00 on the 5th: 100 hours after the month's start.
    assert over.crossed_ns == ns("2024-03-05T03:15")
    assert cap(over, BERLIN) == "used up since 5 Mar 03:15"
    enough = outlook(points, "2024-03-11T12:00", "[{volume: 9TB}]")
    assert cap(enough, BERLIN).startswith("enough for the month: 7")


def test_an_event_is_said_once_a_month_and_again_when_the_day_comes_nearer(tmp_path: Path) -> None:
    points = hours(ns("2024-02-01T00:00"), ns("2024-03-11T12:00"), GB)

    def said(volume: int, now: str = "2024-03-11T12:00", more: tuple[Point, ...] = ()) -> list[str]:
        announcer = QuotaAnnouncer(tmp_path)
        found = outlook([*points, *more], now, f"[{{volume: {volume}GB}}]")
        events = announcer.news([found], "box", "forecaster", ns(now), BERLIN)
        announcer.keep()
        return [event.kind for event in events]

    assert said(9000) == []
    assert said(600) == [PREDICTED]
    assert said(600) == []
    assert said(560) == []  # a day and a half nearer
    assert said(400) == [PREDICTED]
    assert said(100) == [REACHED]
    assert said(100) == []
    later = tuple(hours(ns("2024-03-11T12:00"), ns("2024-04-02T12:00"), GB))
    assert said(600, "2024-04-02T12:00", later) == [PREDICTED]
    (tmp_path / "quota.json").write_text("{half")
    assert said(100) == [REACHED]


def test_the_event_says_whose_volume_when_and_how_sure() -> None:
    found = outlook(hours(ns("2024-02-01T00:00"), ns("2024-03-11T12:00"), GB), "2024-03-11T12:00", "[{volume: 400GB}]")
    (event,) = QuotaAnnouncer(Path("nowhere")).news([found], "box", "forecaster", ns("2024-03-11T12:00"), BERLIN)
    assert event.subject == "whole computer"
    assert event.message.startswith("whole computer: 400.0 GB a month are expected to be used up about 17 Mar (80 %: ")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[{volume: 300}]", "quota[0].volume: "),
        ("[{volume: 0GB}]", "must be more than zero"),
        ("[{volume: 3GB, start_day: 32}]", "quota[0].start_day: "),
        ("[{start_day: 3}]", "quota[0].volume: missing"),
        ("[{volume: 3GB}, {volume: 4GB}]", "the whole computer is listed twice"),
        ("[{volume: 3GB, per: week}]", "quota[0].per: no such key"),
        ("3GB", "quota: must be a list"),
    ],
)
def test_a_bad_volume_is_one_line_with_its_key(text: str, words: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parse_config(f"quota: {text}")
    assert words in str(raised.value)
    assert len(raised.value.lines) == 1


def test_the_command_and_the_status_show_it(tmp_path: Path) -> None:
    now_ns = wall_ns()
    first = now_ns // (3600 * S) * 3600 * S - 12 * 86_400 * S
    with SqliteStore(tmp_path / "autoqos.db") as store:
        store.write(hours(first, now_ns, GB // 10))
    settings = tmp_path / "config.yaml"
    settings.write_text("host: box\nquota: [{volume: 900GB, start_day: 1}, {volume: 1GB, app: steam}]\n")

    def run(*arguments: str) -> str:
        command = [sys.executable, "-m", "console", *arguments, "--config", str(settings), "--data", str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    text = run("forecast", "quota")
    assert "whole computer: " in text
    assert "of 900.0 GB used" in text
    assert "steam: " in text
    assert "until midnight" in text
    found = json.loads(run("forecast", "quota", "--json"))
    assert [one["name"] for one in found] == ["whole computer", "steam"]
    assert found[0]["volume_bytes"] == 900 * GB
    assert found[0]["forecast"]["total"]["lower"] <= found[0]["forecast"]["total"]["upper"]
    assert "quota     whole computer: " in run("status")
    assert json.loads(run("status", "--json"))["quota"][1]["name"] == "steam"


def test_without_a_volume_the_command_says_what_to_write(tmp_path: Path) -> None:
    settings = tmp_path / "config.yaml"
    settings.write_text("host: box\n")
    command = [sys.executable, "-m", "console", "forecast", "quota", "--config", str(settings), "--data", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert done.returncode == 2
    assert done.stderr.strip() == (
        "autoqos: no data volume in the settings: write quota: [{volume: 300GB, start_day: 1}] in config.yaml"
    )


def on_the_second(folder: Path, seed: int, known: int) -> tuple[QuotaOutlook, int]:
    """A drawn household at noon on the 2nd of March with ``known`` whole days of history in a real store, and when
    its volume will be used up."""
    usage = household(seed, 80)[-60:]
    first_ns, day_ns = ns("2024-03-02T00:00") - 28 * 24 * 3600 * S, 24 * 3600 * S
    total, crossed_ns = 0, 0
    volume = usage[27] + usage[28] + sum(usage[29:45])  # the 1st, the 2nd and sixteen days
    for k in range(27, 60):
        if total + usage[k] >= volume:
            crossed_ns = first_ns + k * day_ns + day_ns * (volume - total) // usage[k]
            break
        total += usage[k]
    points: list[Point] = []
    for k in range(28 - known, 29):
        stop = 24 if k < 28 else 12
        begin = first_ns + k * day_ns
        points += hours(begin, begin + stop * 3600 * S, usage[k] // 24)
    config = parse_config(f"host: box\nquota: [{{volume: {volume // 10**6}MB}}]")
    with SqliteStore(folder / f"{seed}-{known}.db") as store:
        store.write(points)
        (one,) = read_outlooks(store, config, ns("2024-03-02T12:00"), BERLIN)
    return one, crossed_ns


def test_on_the_second_of_the_month_the_band_holds_the_day_and_is_wide(tmp_path: Path) -> None:
    held: list[bool] = []
    widths: dict[int, list[int]] = {3: [], 28: []}
    month_end = ns("2024-04-01T00:00")
    for seed in range(900, 915):
        for known in (3, 28):
            one, crossed_ns = on_the_second(tmp_path, seed, known)
            assert one.forecast is not None
            assert one.history_days == known
            early = month_end if one.forecast.early_ns is None else one.forecast.early_ns
            late = month_end if one.forecast.late_ns is None else one.forecast.late_ns
            widths[known].append(late - early)
            held.append(early <= crossed_ns and (late >= crossed_ns or one.forecast.late_ns is None))
    assert sum(held) >= 0.7 * len(held)
    assert np.median(widths[3]) > np.median(widths[28])
    # Wide, but it says something: not the whole of the month that is left.
    assert np.median(widths[3]) < month_end - ns("2024-03-02T12:00")
