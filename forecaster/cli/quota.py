"""``autoqos forecast quota``: each data volume, when its cap will be reached, and the rest of today."""

import json
from pathlib import Path

import typer

from forecaster.data.source import open_store, parse_source
from forecaster.quota.outlook import read_outlooks
from forecaster.quota.words import lines
from qos.contract.errors import ConfigError
from qos.service import data_dir
from qos.service.config_file import find_config, load_config
from qos.system import clock


def show_quotas(config_path: Path | None, data: Path | None, source: str, as_json: bool) -> None:
    """Raises ConfigError when the settings name no volume."""
    path = find_config(config_path)
    config = load_config(path)
    if not config.quota:
        raise ConfigError("no data volume in the settings: write quota: [{volume: 300GB, start_day: 1}] in config.yaml")
    folder = data_dir(config, data, reading=True)
    with open_store(config, path, folder, parse_source(source), read_only=True) as store:
        found = read_outlooks(store, config, clock.wall_ns())
    if as_json:
        typer.echo(json.dumps([one.document() for one in found], indent=2))
        return
    for place, one in enumerate(found):
        if place:
            typer.echo()
        for line in lines(one):
            typer.echo(line)
