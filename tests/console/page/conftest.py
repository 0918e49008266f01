"""A page over a folder of sample measurements, one for the tests of a module."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from console.steering.overrides import States
from qos.contract.points import Forecast, ForecastScore, LagIncident
from qos.store.sqlite.store import SqliteStore
from tests.console.page.described import Described
from tests.console.page.rig import Api, PageProcess
from tests.console.samples import S, fill, live_document

HOSTILE = (
    '<img src=x onerror="alert(1)">',
    "a" * 250,
    "\u202egnp.exe",
    "../../etc/passwd",
    "=cmd|'/c calc'!A1",
    "a/b?c#d%2e",
)
SETTINGS = """\
# this comment must survive
collector: {capture: psutil, targets: []}   # and this one
mode: observe
forecast: {enabled: false}
"""


class SamplePage:
    """A page process, its data and its API."""

    def __init__(self, folder: Path, port: int = 8800) -> None:
        self.folder, self.data, self.config = folder, folder / "data", folder / "config.yaml"
        self.config.write_text(SETTINGS)
        self.now_ns = time.time_ns()
        live = live_document(self.now_ns, interval_ns=3600 * S)
        row = live["apps"][0]
        live["apps"] += [row | {"app": name, "rx_bps": 10 + index} for index, name in enumerate(HOSTILE)]
        fill(self.data, self.now_ns, 120, live)
        with SqliteStore(self.data / "autoqos.db") as store:
            store.write([*forecasts(self.now_ns), incident(self.now_ns)])
        self.process = PageProcess(self.config, self.data, port)
        described = Described(Api(self.process.port).call("GET", "/openapi.json")[2])
        self.api = Api(self.process.port, described=described)
        self.api.log_in(self.process.code)

    @property
    def url(self) -> str:
        """The page's address without a code."""
        return f"http://127.0.0.1:{self.process.port}/"

    def login_url(self) -> str:
        """The page's address with a new code."""
        return f"{self.url}#code={self.process.another_code()}"

    def state(self, key: str) -> Any:
        """A state document."""
        with SqliteStore(self.data / "autoqos.db", read_only=True) as store:
            states: States = store
            return states.get_state(key)


def incident(now_ns: int) -> LagIncident:
    return LagIncident(
        time_ns=now_ns - 90 * S, host="laptop", duration_s=45.0, extra_ms=86.0, loss_ratio=0.0, cause="application",
        app="steam", direction="down", share_ratio=0.84, confidence=0.9, running=0, evidence="steam began 3 s earlier",
    )  # fmt: skip


def forecasts(now_ns: int) -> list[Any]:
    steps = [
        Forecast(
            time_ns=now_ns + step * 300 * S, host="laptop", series="host_down", model="ridge", value=1e6 + step * 1e5,
            lower=5e5, upper=3e6, baseline=1e6, made_at=now_ns,
        )
        for step in range(12)
    ]  # fmt: skip
    score = ForecastScore(
        time_ns=now_ns, host="laptop", series="host_down", model="ridge", mae=1e5, rmse=2e5, mase=0.82, r2=0.5,
        coverage=0.81, samples=100, train_seconds=1.0, published=1,
    )  # fmt: skip
    return [*steps, score]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SamplePage]:
    page = SamplePage(tmp_path_factory.mktemp("page"))
    try:
        yield page
    finally:
        page.process.stop()


@pytest.fixture(autouse=True)
def nothing_set_by_hand(request: pytest.FixtureRequest) -> None:
    """What another test of the module left in force (an API called at random, a pause) is taken away before each."""
    if "sample" in request.fixturenames:
        sample: SamplePage = request.getfixturevalue("sample")
        with SqliteStore(sample.data / "autoqos.db") as store:
            for key in store.states("override:"):
                store.delete_state(key)
