"""Writes the series that nobody tuned to, as files for ``--public``.

    uv run python -m bench.forecast.fresh_series OUT CLONES

``CLONES`` holds git clones of the public repositories, each below its own name; what is missing is left out and said:
``NAB`` (numenta/NAB, MIT: ``realMole/mole_network_percent``, in its history), ``NetLatency-Data``
(uofa-rzhu3/NetLatency-Data, MIT: round trips between personal computers, two pairs drawn by seed) and
``network-traffic-dataset`` (westermo/network-traffic-dataset, CC BY 4.0: bytes at two places of an industrial network).
"""

import csv
import io
import subprocess
import sys
import zipfile
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

MOLE = "fe5b3aa048cf2dce2449f4b837788d244d76b3d6"


def shown(clone: Path, path: str, commit: str = "HEAD") -> bytes:
    return subprocess.run(["git", "-C", clone, "show", f"{commit}:{path}"], check=True, capture_output=True).stdout


def write(file: Path, step_s: int, values: np.ndarray, start: datetime) -> None:
    rows = [f"{start + timedelta(seconds=step_s * k)},{'' if np.isnan(v) else v}" for k, v in enumerate(values)]
    file.write_text("timestamp,value\n" + "\n".join(rows) + "\n", encoding="utf-8")


def mole(clone: Path, out: Path) -> None:
    lines = shown(clone, "data/realMole/mole_network_percent.csv", MOLE).decode().splitlines()[1:]
    rows = [line.split(",") for line in lines]
    text = "\n".join(f"{datetime.strptime(at, '%m/%d/%y %H:%M')},{value}" for at, value in rows)  # noqa: DTZ007 - local
    (out / "fresh_mole_network_5m.csv").write_text(f"timestamp,value\n{text}\n", encoding="utf-8")


def seattle(clone: Path, out: Path) -> None:
    """Slices of 15.7 s; a pair counts when nine of ten of its round trips were measured."""
    cube = np.stack([np.loadtxt(io.BytesIO(shown(clone, f"Seattle/SeattleData_{t}"))) for t in range(1, 689)])
    rng, found = np.random.default_rng(20260), 0
    while found < 2:
        one, other = rng.integers(0, 99, 2)
        trips = cube[:, one, other]
        if one == other or (trips <= 0).mean() > 0.1:
            continue
        found += 1
        values = np.where(trips > 0, trips, np.nan)
        write(out / f"fresh_seattle_rtt{found}_15s.csv", 15, values, datetime(2014, 1, 1))  # noqa: DTZ001 - any


def westermo(clone: Path, out: Path) -> None:
    """Bytes of the flows that began in each five seconds; the first and the last are left out."""
    for place, kind in (("left", "extended"), ("bottom", "reduced")):
        archive = zipfile.ZipFile(io.BytesIO(shown(clone, f"data/{kind}/flows/output_{place}.zip")))
        rows = list(csv.DictReader(io.TextIOWrapper(archive.open(archive.namelist()[0]), encoding="utf-8")))
        start = np.array([float(row["start"]) for row in rows])
        moved = np.array([float(row["sBytesSum"]) + float(row["rBytesSum"]) for row in rows])
        total = np.bincount(((start - start.min()) // 5).astype(int), weights=moved)[1:-1]
        write(out / f"fresh_westermo_{place}_5s.csv", 5, total, datetime(2023, 4, 1))  # noqa: DTZ001 - any


def main() -> None:
    out, clones = Path(sys.argv[1]), Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    for name, make in (("NAB", mole), ("NetLatency-Data", seattle), ("network-traffic-dataset", westermo)):
        if (clones / name).exists():
            make(clones / name, out)
        else:
            print(f"left out: {clones / name} is not there", file=sys.stderr)


if __name__ == "__main__":
    main()
