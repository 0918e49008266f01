"""Anybody's series: a CSV file's time and value columns as a frame.

Times are ISO 8601 (UTC where they name no zone) or numbers since 1970 (seconds, milliseconds or nanoseconds by
their size).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from forecaster.data.frames import Floats, Frame, Ints, deltas, regular
from qos.contract.errors import ConfigError
from qos.contract.units import format_duration

if TYPE_CHECKING:
    import pandas as pd


def read_csv(
    path: Path,
    time: str,
    value: str,
    features: Sequence[str] = (),
    step_ns: int | None = None,
    *,
    counter: bool = False,
    minimum: float | None = None,
) -> Frame:
    """The columns on a grid of ``step_ns`` (None: the commonest distance). ``counter``: the value is cumulative.

    Raises ConfigError naming the file, the column and what to do.
    """
    import pandas as pd

    try:
        table = pd.read_csv(path)
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise ConfigError(f"{path}: is not a CSV file that can be read: {error}") from None
    for name in (time, value, *features):
        if name not in table.columns:
            raise ConfigError(f"{path}: has no column {name!r}; it has {', '.join(map(str, table.columns))}")
    stamps = _stamps(path, time, table[time])
    columns = [_numbers(path, name, table[name]) for name in (value, *features)]
    resets = 0
    if counter:
        order = np.argsort(stamps, kind="stable")
        stamps, columns = stamps[order], [column[order] for column in columns]
        columns[0], resets = deltas(columns[0])
    if stamps.size < 2:
        raise ConfigError(f"{path}: {stamps.size} rows are no series")
    step = step_ns or _commonest_step(path, time, stamps)
    span = int(stamps.max() - stamps.min()) // step
    if span > 2_000_000:
        raise ConfigError(f"{path}: {span} steps of {format_duration(step)}: choose a coarser --every")
    frame = regular(stamps, columns, (value, *features), step, minimum=minimum)
    extra = (f"{resets} counter resets",) if resets else ()
    return Frame(frame.start_ns, frame.step_ns, frame.names, frame.values, frame.notes + extra)


def _stamps(path: Path, name: str, column: "pd.Series[Any]") -> Ints:
    import pandas as pd

    if pd.api.types.is_numeric_dtype(column):
        numbers = column.to_numpy(dtype=np.float64)
        if not np.isfinite(numbers).all():
            raise ConfigError(f"{path}: column {name!r} has an empty time")
        largest = float(np.abs(numbers).max(initial=0.0))
        scale = 10**9 if largest < 1e11 else 10**6 if largest < 1e14 else 10**3 if largest < 1e17 else 1
        return np.asarray(np.round(numbers * scale), dtype=np.int64)
    try:
        parsed = pd.to_datetime(column, utc=True, format="ISO8601")
    except (ValueError, TypeError):
        raise ConfigError(f"{path}: column {name!r} is not a time: {_first_bad(column)}") from None
    if bool(parsed.isna().any()):
        raise ConfigError(f"{path}: column {name!r} has an empty time")
    return np.asarray(parsed.dt.tz_localize(None).to_numpy(dtype="datetime64[ns]").astype(np.int64))


def _first_bad(column: "pd.Series[Any]") -> str:
    import pandas as pd

    parsed = pd.to_datetime(column, utc=True, format="ISO8601", errors="coerce")
    wrong = np.flatnonzero(parsed.isna().to_numpy())
    row = int(wrong[0]) if wrong.size else 0
    text = f"row {row + 1} holds {str(column.iloc[row])!r}"
    return f"{text}; write ISO 8601 (2026-05-04T13:30:00Z) or numbers since 1970"


def _numbers(path: Path, name: str, column: "pd.Series[Any]") -> Floats:
    import pandas as pd

    numbers = pd.to_numeric(column, errors="coerce")
    if bool(numbers.isna().all()):
        raise ConfigError(f"{path}: column {name!r} holds no number")
    return np.asarray(numbers.to_numpy(dtype=np.float64))


def _commonest_step(path: Path, name: str, stamps: Ints) -> int:
    distances = np.diff(np.unique(stamps))
    if distances.size == 0:
        raise ConfigError(f"{path}: column {name!r} holds one time only")
    return int(np.median(distances))
