"""The commented settings file that comes with the program, written where there is none."""

import importlib.resources
from pathlib import Path

from qos.contract.config import parse_config
from qos.contract.errors import ConfigError


def shipped_settings() -> str:
    """The text of ``config.yaml`` as shipped. Raises ConfigError when the installation lacks it."""
    packed = importlib.resources.files("console.stack").joinpath("files", "config.yaml")
    for place in (packed, Path(__file__).parents[2] / "config.yaml"):
        if place.is_file():
            return place.read_text(encoding="utf-8")
    raise ConfigError("the shipped config.yaml is missing: install AutoQoS again")


def write_settings(path: Path, given: Path | None = None, *, force: bool = False) -> list[str]:
    """Write ``given``'s settings, else the shipped ones, unless there are some; what was done. Raises ConfigError."""
    if path.exists() and not force and given is None:
        return [f"settings: {path} (as they were)"]
    try:
        text = given.read_text(encoding="utf-8-sig") if given is not None else shipped_settings()
        parse_config(text, str(given or path))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror}): choose another place") from None
    return [f"settings: {path}"]
