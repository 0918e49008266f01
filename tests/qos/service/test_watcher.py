from pathlib import Path

from qos.service import ConfigChange, ConfigWatcher


def _settle(watcher: ConfigWatcher) -> list[ConfigChange]:
    return [change for change in (watcher.poll() for _ in range(4)) if change is not None]


def test_an_edit_is_reported_once_as_the_new_settings(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("interval: 1s\n")
    watcher = ConfigWatcher(path)
    assert _settle(watcher) == []
    path.write_text("interval: 500ms\n")
    (change,) = _settle(watcher)
    assert change.config is not None
    assert change.config.interval == 500_000_000
    assert change.errors == ()


def test_an_edit_is_only_read_when_two_looks_agree(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("interval: 1s\n")
    watcher = ConfigWatcher(path)
    path.write_text("")
    assert watcher.poll() is None
    path.write_text("interval: 2s\n")
    assert watcher.poll() is None
    change = watcher.poll()
    assert change is not None
    assert change.config is not None
    assert change.config.interval == 2_000_000_000


def test_a_bad_edit_is_its_lines_and_a_repair_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("interval: 1s\n")
    watcher = ConfigWatcher(path)
    path.write_text("interval: soon\nno_such: 1\n")
    (change,) = _settle(watcher)
    assert change.config is None
    assert any("interval" in line for line in change.errors)
    assert any("no_such" in line for line in change.errors)
    assert "old settings stay" in change.errors[-1]
    path.write_text("interval: 1s\n#repaired\n")
    (change,) = _settle(watcher)
    assert change.config is not None


def test_a_file_that_vanishes_keeps_the_settings_and_one_that_returns_is_read(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("interval: 1s\n")
    watcher = ConfigWatcher(path)
    path.unlink()
    (change,) = _settle(watcher)
    assert change.config is None
    assert "no such file any more" in change.errors[0]
    path.write_text("interval: 3s\n")
    (change,) = _settle(watcher)
    assert change.config is not None


def test_without_a_file_nothing_changes() -> None:
    assert _settle(ConfigWatcher(None)) == []
