"""From the forecast to the limit: the forecaster's document in a real store, the real loop, and what ``why`` says."""

import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from console.commands.app import app as command_line
from forecaster.data.series import SeriesId
from forecaster.serving.busy import keep_busy_times
from forecaster.serving.round import SeriesResult
from forecaster.serving.serve import Prediction
from qos.contract.documents.limits import Limits
from qos.contract.documents.live import Live, LiveRow
from qos.service.config_file import load_config
from qos.store.sqlite.store import SqliteStore
from qos.system.clock import SYSTEM
from tests.enforcer.ports import FakePort
from tests.enforcer.test_loop import loop_over

S = 10**9
MINUTE_NS = 60 * S
HOUR_NS = 60 * MINUTE_NS
MBIT = 10**6
LINE = 100 * MBIT
"""Set by hand: what the only application may have while nothing is foreseen."""


class Behind:
    """The machine's clocks, the wall clock some time back."""

    back_ns = 0

    def wall_ns(self) -> int:
        return SYSTEM.wall_ns() - self.back_ns

    def monotonic_ns(self) -> int:
        return SYSTEM.monotonic_ns()


class Evening:
    """A backup at 40 Mbit/s on a line of 100, and a forecast that the line is full from ``begins_ns`` on for three
    hours."""

    def __init__(self, folder: Path, *, foresee: bool) -> None:
        self.data = folder
        self.file = folder / "config.yaml"
        self.file.write_text(
            f"mode: enforce\nhost: box\nlink: {{down: 100mbit, up: 20mbit}}\n"
            f"enforcer: {{foresee: {str(foresee).lower()}, auto: false}}\napps: [{{match: bulk, priority: 5}}]\n",
            encoding="utf-8",
        )
        self.clock, self.port = Behind(), FakePort()
        self.store = SqliteStore(folder / "autoqos.db")
        self.config = load_config(self.file)
        self.loop = loop_over(self.file, self.config, self.store, self.port, self.clock)
        self.begins_ns = SYSTEM.wall_ns() + 5 * MINUTE_NS

    def forecast(self, model: str = "lightgbm") -> None:
        """As the forecaster leaves it after its round, two hours before."""
        value = np.array([10.0, 80.0, 85.0, 70.0, 10.0]) * MBIT
        times = tuple(self.begins_ns + (k - 1) * HOUR_NS for k in range(value.size))
        made = Prediction(model, times, value, value * 0.7, value * 1.3, value)
        result = SeriesResult(SeriesId("box", "host_down@1h"), prediction=made)
        keep_busy_times(self.store, [result], self.config, self.begins_ns - 2 * HOUR_NS)

    def limit_at(self, before_ns: int) -> int | None:
        """The backup's rate down after some rounds so long before the busy time."""
        self.clock.back_ns = SYSTEM.wall_ns() - (self.begins_ns - before_ns)
        for _ in range(3):
            now_ns = self.clock.wall_ns()
            row = LiveRow("bulk", rx_bps=40 * MBIT, tx_bps=MBIT, processes=1, priority=5)
            self.store.set_state(Live.KEY, Live(now_ns, now_ns - MINUTE_NS, host="box", apps=(row,)).dump())
            self.loop._round_ns = 0  # a look a second is enough at rest: not here
            self.loop.round()
            time.sleep(0.1)  # what changed is told ten times a second at most
        document = self.store.get_state(Limits.KEY)
        assert isinstance(document, dict)
        found: int | None = document["apps"]["bulk"]["down_bps"]
        return found

    def why(self) -> str:
        answer = CliRunner().invoke(command_line, ["why", "bulk", "--config", str(self.file), "--data", str(self.data)])
        assert answer.exit_code == 0, answer.output
        return " ".join(answer.output.split())

    def said(self) -> list[str]:
        rows = self.store.read("event", ["message"], where={"kind": "foresee"})
        return [str(one) for one in rows["message"]]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[object]:
    made: list[Evening] = []

    def evening(*, foresee: bool = True) -> Evening:
        made.append(Evening(tmp_path, foresee=foresee))
        return made[-1]

    yield evening
    for one in made:
        one.loop.close()
        one.store.close()


def test_a_backup_is_held_before_the_evening_and_why_says_what_is_expected(make: object) -> None:
    assert callable(make)
    evening: Evening = make()
    evening.forecast()
    assert evening.limit_at(20 * MINUTE_NS) == LINE
    assert "expected to be busy" not in evening.why()
    assert evening.said() == []

    assert evening.limit_at(5 * MINUTE_NS) == 20 * MBIT  # now, by the machine's clock
    begins, ends = (datetime.fromtimestamp((evening.begins_ns + k * HOUR_NS) // S) for k in (0, 3))  # noqa: DTZ006
    text = evening.why()
    assert f"the line is expected to be busy {begins:%H:%M}-{ends:%H:%M}" in text
    assert "level 5 (background) has 20.0 Mbit/s until then" in text
    (begun,) = evening.said()
    assert "up to 85.0 Mbit/s of 100.0 Mbit/s" in begun

    assert evening.limit_at(-3 * HOUR_NS) == LINE
    assert [one.split(":")[1].strip() for one in evening.said()][-1] == "the busy time that was forecast is over"


def test_without_the_setting_nobody_is_held(make: object) -> None:
    assert callable(make)
    evening: Evening = make(foresee=False)
    evening.forecast()
    assert evening.limit_at(5 * MINUTE_NS) == LINE
    assert evening.said() == []


def test_naive_foresees_nothing(make: object) -> None:
    assert callable(make)
    evening: Evening = make()
    evening.forecast("naive")
    assert evening.limit_at(5 * MINUTE_NS) == LINE
