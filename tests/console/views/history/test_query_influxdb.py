"""``autoqos query --from influxdb`` against a real server: the same rows as from the embedded store."""

import json
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from console.commands.app import app
from tests.console.samples import fill, points
from tests.servers import InfluxQL, influxql_server  # noqa: F401 - a fixture

pytestmark = pytest.mark.server


@pytest.mark.parametrize("measurement", ["app_traffic", "probe", "host_traffic"])
def test_both_sources_give_the_same_rows(
    measurement: str,
    influxql_server: InfluxQL,  # noqa: F811 - the fixture imported above
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now_ns = time.time_ns() // 10**9 * 10**9
    data = fill(tmp_path / "data", now_ns, 30)
    settings = tmp_path / "config.yaml"
    with influxql_server.fresh() as database:
        database.write(point for point in points(now_ns, 30) if not point.LOCAL)
        settings.write_text(f"influxdb: {{url: '{database.url}', org: {database.org}, bucket: {database.bucket}}}\n")
        monkeypatch.setenv("INFLUX_TOKEN", database.token or "nobody:checks")
        found = []
        for source in ("local", "influxdb"):
            options = ["--every", "10s", "--since", "10m", "--format", "json", "--config", str(settings)]
            result = CliRunner().invoke(app, ["query", measurement, *options, "--from", source, "--data", str(data)])
            assert result.exit_code == 0, result.output
            found.append(json.loads(result.stdout))
    assert found[0] == found[1]
    assert len(found[0]) >= 3
