"""Store and server row by row, the coarse history value by value."""

from pathlib import Path
from typing import Any

from pydantic import SecretStr

from bench.soak.coarse import compare_coarse
from qos.contract.config import InfluxConfig
from qos.contract.points import SPECS
from qos.store.influx import InfluxStore
from qos.store.sqlite.store import SqliteStore

OWN = ("agent", "event")
"""The shipper still writes these while it ends."""


def compare(path: Path, url: str, token: str) -> dict[str, Any]:
    """Every raw row of every measurement but the shipper's own ones, and every coarse row of whole windows."""
    settings = InfluxConfig(url=url, org="soak")
    with SqliteStore(path) as store:
        end_ns = store.read("probe", ["sent"], limit=1)["time_ns"][0]
        return compare_raw(store, settings, token, 0, end_ns) | compare_coarse(store, settings, token, end_ns, OWN)


def compare_raw(store: SqliteStore, settings: InfluxConfig, token: str, start_ns: int, end_ns: int) -> dict[str, int]:
    """Raw rows of [start, end]."""
    rows = missing = extra = different = 0
    with InfluxStore.open(settings, SecretStr(token)) as remote:
        for name, spec in SPECS.items():
            if spec.local or name in OWN:
                continue
            here, there = (
                dict(keyed(s.read(name, start_ns=start_ns, stop_ns=end_ns + 1), spec)) for s in (store, remote)
            )
            rows += len(here)
            missing += len(here.keys() - there.keys())
            extra += len(there.keys() - here.keys())
            different += sum(here[key] != there[key] for key in here.keys() & there.keys())
    return {"rows": rows, "missing": missing, "doubled_or_strange": extra, "different": different}


def keyed(columns: dict[str, list[Any]], spec: Any) -> "zip[tuple[Any, Any]]":
    keys = zip(columns["time_ns"], *(columns[tag] for tag in spec.tags), strict=True)
    values = zip(*(columns[f.name] for f in spec.fields), strict=True)
    return zip(keys, values, strict=True)
