"""Switching the enforcer on and off: the file's ``mode``, with everything else in it untouched; else an override."""

import re
from pathlib import Path
from typing import Final

from console.commands.context import Context
from console.steering import settings_file
from console.steering.action_log import Action
from console.steering.undoable import Hand
from qos.contract.config import parse_config
from qos.contract.documents.mode import EnforcerMode, ModeOverride
from qos.contract.errors import ConfigError
from qos.system import clock

MODES: Final[dict[str, EnforcerMode]] = {"on": "enforce", "dry-run": "dry_run", "off": "observe"}
FIRST_TIME: Final = (
    "What this does to packets: those of applications that would take more than there is (downloads, backups) wait",
    "on this computer, so that no queue forms in the router; who asks for less is left alone.",
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
    """Make it so from the terminal, and say where. Raises ConfigError when the file cannot be changed safely."""
    if context.config_path is not None and not context.has_store:
        settings_file.replace(context.config_path, _changed(context.config_path, mode))
        return _words(context, mode, context.config.mode)
    with context.writing() as store:
        return change_mode(context, Hand(store, context.config.host, "terminal", clock.wall_ns()), mode)[0]


def change_mode(context: Context, hand: Hand, mode: EnforcerMode) -> tuple[list[str], Action | None]:
    """Write the mode into the file, or into the store where there is none; what to say, and what can be undone."""
    kept = ModeOverride.parse(hand.desk.get_state(ModeOverride.KEY))
    before = kept.mode if kept is not None else context.config.mode
    if context.config_path is None:
        action = hand.act("mode", "enforcer", {"mode": mode}, f"mode: {mode}")
        return _words(context, mode, before), action
    action = hand.save_settings(context.config_path, _changed(context.config_path, mode), f"mode: {mode}")
    if kept is not None:
        hand.desk.delete_state(ModeOverride.KEY)
    return _words(context, mode, before), action


def _words(context: Context, mode: EnforcerMode, before: str) -> list[str]:
    line = f"mode: {mode}, kept in {context.store_path} because there is no config.yaml here"
    if context.config_path is not None:
        line = f"mode: {mode} in {context.config_path}, in force within two seconds where AutoQoS runs with it"
    return [line, *(FIRST_TIME if before == "observe" and mode != "observe" else ())]


def _changed(path: Path, mode: EnforcerMode) -> str:
    changed = with_mode(settings_file.read(path), mode)
    if parse_config(changed.removeprefix("\ufeff"), str(path)).mode != mode:
        raise ConfigError(f"{path}: mode: cannot be changed safely here: write `mode: {mode}` by hand")
    return changed
