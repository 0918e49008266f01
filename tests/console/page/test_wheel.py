"""The wheel carries the page: every static file as in the checkout, and a server that runs from it alone."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests import require
from tests.console.page.rig import ROOT, Api, PageProcess

STATIC = ROOT / "console" / "page" / "static"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel's content, unpacked as an installer does."""
    folder = tmp_path_factory.mktemp("wheel")
    line = [require.program("uv"), "build", "--wheel", "--quiet", "--out-dir", str(folder), str(ROOT)]
    subprocess.run(line, check=True, capture_output=True, timeout=240)
    (wheel,) = folder.glob("autoqos-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_every_file_of_the_page_is_in_the_wheel(installed: Path) -> None:
    wanted = {path.relative_to(ROOT).as_posix(): path.read_bytes() for path in STATIC.rglob("*") if path.is_file()}
    assert len(wanted) > 20
    assert {name: (installed / name).read_bytes() for name in wanted if (installed / name).is_file()} == wanted
    assert not (installed / "tests").exists()


def test_the_page_runs_from_the_wheel_outside_the_checkout(installed: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("forecast: {enabled: false}\n")
    where = subprocess.run(
        [sys.executable, "-P", "-c", "import console.page; print(console.page.__file__)"],
        capture_output=True, text=True, check=True, cwd=tmp_path, env={"PYTHONPATH": str(installed)},
    ).stdout  # fmt: skip
    assert Path(where.strip()).is_relative_to(installed)
    page = PageProcess(config, tmp_path / "data", code=installed)
    try:
        api = Api(page.port)
        for path in STATIC.rglob("*.js"):
            status, headers, text = api.call("GET", f"/{path.relative_to(STATIC).as_posix()}")
            assert status == 200
            assert headers["content-type"].startswith("text/javascript")
            assert text == path.read_text(encoding="utf-8")
        api.log_in(page.code)
        assert api.call("GET", "/api/v1/status")[0] == 200
    finally:
        page.stop()
