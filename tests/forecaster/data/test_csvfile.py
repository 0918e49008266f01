"""Anybody's CSV file."""

from pathlib import Path

import numpy as np
import pytest

from forecaster.data.csvfile import read_csv
from qos.contract.errors import ConfigError

S = 10**9
T0 = 1_700_006_400


def written(folder: Path, text: str) -> Path:
    path = folder / "f.csv"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    "times",
    [
        ("2023-11-15T00:00:00Z", "2023-11-15T00:05:00Z", "2023-11-15T00:10:00Z"),
        ("2023-11-15 00:00:00", "2023-11-15 00:05:00", "2023-11-15 00:10:00"),
        ("2023-11-15T01:00:00+01:00", "2023-11-15T00:05:00+00:00", "2023-11-14T23:10:00-01:00"),
        (f"{T0}", f"{T0 + 300}", f"{T0 + 600}"),
        (f"{T0}000", f"{T0 + 300}000", f"{T0 + 600}000"),
        (f"{T0}000000000", f"{T0 + 300}000000000", f"{T0 + 600}000000000"),
    ],
)
def test_times_of_every_usual_kind_are_understood(times: tuple[str, ...], tmp_path: Path) -> None:
    path = written(tmp_path, "t,v\n" + "\n".join(f"{t},{k}" for k, t in enumerate(times)))
    frame = read_csv(path, "t", "v")
    assert (frame.start_ns, frame.step_ns) == (T0 * S, 300 * S)
    np.testing.assert_array_equal(frame.target, [0, 1, 2])


def test_a_cumulative_counter_becomes_deltas(tmp_path: Path) -> None:
    path = written(tmp_path, "t,v\n0,100\n60,130\n120,10\n180,25\n")
    frame = read_csv(path, "t", "v", counter=True)
    np.testing.assert_array_equal(frame.target, [np.nan, 30, np.nan, 15])
    assert "1 counter resets" in frame.notes


def test_empty_and_unreadable_values_are_gaps(tmp_path: Path) -> None:
    path = written(tmp_path, "t,v,w\n0,1,2\n60,,3\n120,x,\n180,4,5\n")
    frame = read_csv(path, "t", "v", ["w"])
    np.testing.assert_array_equal(frame.values, [[1, 2], [np.nan, 3], [np.nan, np.nan], [4, 5]])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not a CSV file"),
        ("t,v\n", "column 'v' holds no number|0 rows"),
        ("t,v\nyesterday,1\ntoday,2\n", "column 't' is not a time"),
        ("t,v\n0,a\n60,b\n", "column 'v' holds no number"),
        ("t,v\n0,1\n0,2\n", "holds one time only"),
        ("t,v\n0,1\n1,1\n2,2\n9000000000,2\n", "choose a coarser --every"),
    ],
)
def test_what_is_no_series_is_said_with_file_and_column(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=words):
        read_csv(written(tmp_path, text), "t", "v")


def test_a_date_that_cannot_be_read_is_shown_without_a_librarys_advice(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("time,v\n2026-01-01T00:00:00,1\n1st of May,2\n")
    with pytest.raises(ConfigError) as error:
        read_csv(path, "time", "v")
    assert str(error.value) == (
        f"{path}: column 'time' is not a time: row 2 holds '1st of May'; "
        "write ISO 8601 (2026-05-04T13:30:00Z) or numbers since 1970"
    )
