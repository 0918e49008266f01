"""Bringing the store up to date while nobody uses it: a part of an upgrade."""

from pathlib import Path

from qos.service import store_path
from qos.service.config_file import load_config
from qos.store.sqlite.store import SqliteStore


def migrate(data: Path, config: Path) -> list[str]:
    """Open the store once, which migrates it; what was done. Raises ConfigError, StoreUnavailable."""
    if not store_path(data).exists():
        return []
    retention = load_config(config).retention if config.exists() else None
    store = (
        SqliteStore(store_path(data), retention=retention) if retention is not None else SqliteStore(store_path(data))
    )
    store.close()
    return [f"store: {store_path(data)} is up to date"]
