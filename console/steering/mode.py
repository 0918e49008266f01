"""Switching the enforcer on and off: the file's ``mode``, with everything else in it untouched; else an override."""

import os
import re
import tempfile
from pathlib import Path
from typing import Final

from console.commands.context import Context
from qos.contract.config import parse_config
from qos.contract.documents.mode import EnforcerMode, ModeOverride
from qos.contract.errors import ConfigError
from qos.system import clock

MODES: Final[dict[str, EnforcerMode]] = {"on": "enforce", "dry-run": "dry_run", "off": "observe"}
FIRST_TIME: Final = (
    "What this does to packets: only applications that would take more than there is (downloads, backups) pass through",
    "AutoQoS, which delays their packets so that no queue forms in the router; who asks for less is left alone.",
    "If AutoQoS stops or fails, every packet flows as before within seconds. Off again: `autoqos enforce off`.",
)
_LINE: Final = re.compile(r"^mode:[ \t]*(?P<value>[^\s#]*)", re.MULTILINE)


def with_mode(text: str, mode: EnforcerMode) -> str:
    """The file's text with another ``mode``: one word changes, or one line is added in front of everything else."""
    found = _LINE.search(text)
    if found is None:
        marker = re.match(r"(?:\s*#[^\n]*\n|\s*\n|---[^\n]*\n)*", text)
        at = marker.end() if marker is not None else 0
        return f"{text[:at]}mode: {mode}\n{text[at:]}"
    start, end = found.span("value")
    space = "" if found[0] != "mode:" else " "
    return f"{text[:start]}{space}{mode}{text[end:]}"


def set_mode(context: Context, mode: EnforcerMode) -> list[str]:
    """Make it so, and say where. Raises ConfigError when the file cannot be changed without changing anything else."""
    before = context.config.mode
    lines = []
    if context.config_path is not None:
        write_mode(context.config_path, mode)
        lines.append(f"mode: {mode} in {context.config_path}, in force within two seconds where AutoQoS runs with it")
    if context.config_path is None or context.has_store:
        with context.writing() as store:
            kept = ModeOverride.parse(store.get_state(ModeOverride.KEY))
            if context.config_path is not None:
                if kept is not None:
                    store.delete_state(ModeOverride.KEY)
            else:
                before = kept.mode if kept is not None else before
                store.set_state(ModeOverride.KEY, ModeOverride(mode, clock.wall_ns()).dump())
                lines.append(f"mode: {mode}, kept in {context.store_path} because there is no config.yaml here")
    if before == "observe" and mode != "observe":
        lines += FIRST_TIME
    return lines


def write_mode(path: Path, mode: EnforcerMode) -> None:
    """Change the file in one step. Raises ConfigError."""
    try:
        text = path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None
    changed = with_mode(text, mode)
    if parse_config(changed.removeprefix("\ufeff"), str(path)).mode != mode:
        raise ConfigError(f"{path}: mode: cannot be changed safely here: write `mode: {mode}` by hand")
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(changed.encode("utf-8"))
            os.chmod(name, path.stat().st_mode & 0o777)
            os.replace(name, path)
        except OSError:
            os.unlink(name)
            raise
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}: run it with more rights, or edit it") from None
