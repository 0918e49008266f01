"""Store and server row by row, the coarse history too."""

from pathlib import Path
from typing import Any

from pydantic import SecretStr

from qos.contract.config import InfluxConfig
from qos.contract.points import SPECS
from qos.store.influx import InfluxStore
from qos.store.sqlite.line_protocol import JournalReader
from qos.store.sqlite.store import SqliteStore

S = 10**9


def compare(path: Path, url: str, token: str) -> dict[str, Any]:
    """Every raw row of every measurement but the shipper's own last ones, and every coarse row."""
    settings = InfluxConfig(url=url, org="soak")
    rows = missing = extra = different = 0
    coarse_rows = coarse_missing = 0
    with SqliteStore(path) as store, InfluxStore.open(settings, SecretStr(token)) as remote:
        end = store.read("probe", ["sent"], limit=1)["time_ns"][0]
        for name, spec in SPECS.items():
            if spec.local or name in ("agent", "event"):
                continue  # the shipper still wrote its own while it ended
            here, there = (dict(keyed(s.read(name, stop_ns=end + 1), spec)) for s in (store, remote))
            rows += len(here)
            missing += len(here.keys() - there.keys())
            extra += len(there.keys() - here.keys())
            different += sum(here[key] != there[key] for key in here.keys() & there.keys())
        reader = JournalReader(path)
        for policy, width in (("5m", 300 * S), ("1h", 3600 * S)):
            bucket = settings.model_copy(update={"bucket": f"autoqos/{policy}"})
            lines = reader.coarse_lines(width, end - 7200 * S, (end - 120 * S) // width * width)
            lines = [line for line in lines if not line.startswith(("agent,", "event,"))]
            coarse_rows += len(lines)
            with InfluxStore.open(bucket, SecretStr(token)) as far:
                found = sum(
                    len(far.read(name, stop_ns=(end - 120 * S) // width * width)["time_ns"])
                    for name, spec in SPECS.items()
                    if not spec.local and name not in ("agent", "event")
                )
            coarse_missing += len(lines) - found
        reader.close()
    return {
        "rows": rows,
        "missing": missing,
        "doubled_or_strange": extra,
        "different": different,
        "coarse_rows": coarse_rows,
        "coarse_missing": coarse_missing,
    }


def keyed(columns: dict[str, list[Any]], spec: Any) -> "zip[tuple[Any, Any]]":
    keys = zip(columns["time_ns"], *(columns[tag] for tag in spec.tags), strict=True)
    values = zip(*(columns[f.name] for f in spec.fields), strict=True)
    return zip(keys, values, strict=True)
