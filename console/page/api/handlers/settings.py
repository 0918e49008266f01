"""The settings in force and their editor, and how the agent goes.

A save checks first, keeps the former file beside (``config.yaml.before``), replaces the file at once, and can be
undone. Single keys are changed with ruamel.yaml's round trip, so that comments and order stay.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import Field

from console.page.api.handlers.steering import hand_of, inverse
from console.page.api.operation import Answer, Call, Input
from console.page.problems import Fault, Problem
from console.page.setting_words import flat, written
from console.page.yaml_edit import YamlEditError, set_keys
from console.steering import settings_file
from console.views.status.status import read_status
from qos.contract.config import parse_config
from qos.contract.errors import ConfigError

MOST_TEXT: Final = 256 * 1024
Scalar = str | int | bool | None


class TextInput(Input):
    """The whole text of config.yaml."""

    text: Annotated[str, Field(max_length=MOST_TEXT)]


class ChangesInput(Input):
    """Single keys by their dotted path, such as ``{"mode": "enforce", "link.down": "90mbit"}``."""

    changes: Annotated[dict[Annotated[str, Field(max_length=100)], Scalar], Field(min_length=1, max_length=50)]


def get_status(call: Call) -> Answer:
    """Parts, capture, what is not seen, outbox, cost."""
    return Answer(read_status(call.service.context, call.now_ns).document() | {"writable": call.service.writable})


def get_config(call: Call) -> Answer:
    """The settings as they are in force, with where each value came from; no secrets."""
    service = call.service
    path, text = service.context.config_path, ""
    problems: list[dict[str, str]] = []
    if path is not None:
        text = _read(path)
        problems = check(text, path.name)
    given = _given(text)
    body = {
        "path": str(path) if path is not None else None,
        "text": text,
        "values": [
            {"key": key, "value": value, "source": "file" if _named(key, given) else "default"}
            for key, value in flat(written(service.config))
        ],
        "problems": problems,
        "writable": service.writable and path is not None and os.access(path, os.W_OK),
    }
    return Answer(body, headers={"ETag": _etag(text)})


def post_check(call: Call) -> Answer:
    """Every problem of a text, at its key."""
    problems = check(call.body.text, "config.yaml")
    return Answer({"good": not problems, "problems": problems})


def put_config(call: Call) -> Answer:
    """Save a text that is good."""
    return _save(call, call.body.text, "settings saved")


def patch_config(call: Call) -> Answer:
    """Change single keys; comments stay."""
    path = _path(call)
    try:
        text = set_keys(_read(path), call.body.changes)
    except YamlEditError as error:
        raise Problem(422, str(error), [Fault("changes", str(error))]) from None
    said = ", ".join(f"{key}: {value}" for key, value in call.body.changes.items())
    return _save(call, text, f"settings: {said}")


def check(text: str, name: str) -> list[dict[str, str]]:
    """What is wrong with the settings: a list of ``{key, problem}``. Empty: good."""
    try:
        parse_config(text.removeprefix("\ufeff"), name)
    except ConfigError as error:
        found = []
        for line in error.lines:
            rest = line.removeprefix(f"{name}: ")
            key, colon, problem = rest.partition(": ")
            found.append({"key": key, "problem": problem} if colon else {"key": "", "problem": rest})
        return found
    return []


def _save(call: Call, text: str, said: str) -> Answer:
    path = _path(call)
    old = _read(path)
    wanted = call.headers.get("if-match")
    if wanted is not None and wanted not in ("*", _etag(old)):
        raise Problem(412, f"{path.name} was changed since you looked: load it again")
    problems = check(text, path.name)
    if problems:
        faults = [Fault(problem["key"], problem["problem"]) for problem in problems]
        raise Problem(422, f"not saved: {faults[0].pointer}: {faults[0].detail}", faults)
    state = {"sha256": settings_file.digest(text)}
    if text == old:
        return Answer({"state": state, "said": said, "inverse": None, "effect": None})
    try:
        with suppress(ConfigError):
            settings_file.replace(path.with_name(f"{path.name}.before"), old, like=path)
        action = hand_of(call).save_settings(path, text, said)
    except ConfigError as error:
        raise Problem(409, error.lines[0]) from None
    effect = "in force within two seconds; the former file is kept beside it"
    return Answer({"state": state, "said": said, "inverse": inverse(action), "effect": effect})


def _path(call: Call) -> Path:
    path = call.service.context.config_path
    if path is None:
        raise Problem(409, "no config.yaml is in use: start AutoQoS with --config FILE to change settings here")
    return path.absolute()


def _read(path: Path) -> str:
    try:
        return settings_file.read(path)
    except ConfigError as error:
        raise Problem(409, error.lines[0]) from None


def _etag(text: str) -> str:
    return f'"{settings_file.digest(text)[:20]}"'


def _given(text: str) -> Any:
    import yaml

    try:
        return yaml.safe_load(text) if text.strip() else {}
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}


def _named(key: str, given: Any) -> bool:
    for name in key.split("."):
        if not isinstance(given, dict):
            return False
        found = given.get(name, given.get(int(name)) if name.isdecimal() else None)
        if name not in given and not (name.isdecimal() and int(name) in given):
            return False
        given = found
    return True
