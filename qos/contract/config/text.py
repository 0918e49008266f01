"""The text of ``config.yaml`` read strictly: every problem at once, each in one line with its key's path."""

from collections.abc import Hashable, Mapping
from typing import Any, Final

import yaml
from pydantic import ValidationError

from qos.contract.config.models import Config, shown
from qos.contract.errors import ConfigError

DEFAULT_NAME: Final = "config.yaml"


class _StrictLoader(yaml.SafeLoader):
    """SafeLoader that notes duplicate keys as it goes: (line, key)."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self.duplicates: list[tuple[int, str]] = []


def _mapping(loader: _StrictLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    result: dict[Any, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, Hashable):
            raise yaml.constructor.ConstructorError(problem="a key must be text", problem_mark=key_node.start_mark)
        if key in result:
            loader.duplicates.append((key_node.start_mark.line + 1, str(key)))
        result[key] = loader.construct_object(value_node, deep=True)
    return result


_StrictLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def parse_config(text: str, name: str = DEFAULT_NAME) -> Config:
    """A validated ``Config`` from YAML text. Raises ConfigError with one line per problem: ``name: path: what``."""
    try:
        loader = _StrictLoader(text)
        raw = loader.get_single_data()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        problem = getattr(error, "problem", None) or str(error).partition("\n")[0]
        raise ConfigError(f"{name}: {where}not valid YAML: {problem}") from None
    except (ValueError, RecursionError) as error:
        # A date that is none, an integer of too many digits, brackets without end.
        raise ConfigError(f"{name}: not valid YAML: {str(error).partition(chr(10))[0]}") from None
    lines = [f"{name}: line {line}: key {key!r} is written twice: keep one" for line, key in loader.duplicates]
    if raw is None:
        raw = {}
    if not isinstance(raw, dict):
        raise ConfigError(f"{name}: must be a mapping of keys, got {shown(raw)}")
    try:
        config = Config.model_validate(raw)
    except ValidationError as error:
        raise ConfigError(*lines, *_lines(name, error)) from None
    if lines:
        raise ConfigError(*lines)
    return config


def _lines(name: str, error: ValidationError) -> list[str]:
    """One line per key; where a value could have been either of two kinds, both are said."""
    by_path: dict[str, list[str]] = {}
    for problem in error.errors():
        path, message = _described(dict(problem))
        said = by_path.setdefault(path, [])
        if message not in said:
            said.append(message)
    return sorted(f"{name}: {path + ': ' if path else ''}{'; or '.join(said)}" for path, said in by_path.items())


def _described(problem: Mapping[str, Any]) -> tuple[str, str]:
    path = ""
    for part in problem["loc"]:
        if part in ("[key]", "int", "str", "function-before") or (isinstance(part, str) and "[" in part):
            continue
        if isinstance(part, str) and part.startswith(("literal", "function")):
            continue
        path += f"[{part}]" if isinstance(part, int) and path != "levels" else f"{'.' if path else ''}{part}"
    kind, message = problem["type"], problem["msg"].removeprefix("Value error, ")
    if kind == "value_error":
        return path, message
    if kind == "extra_forbidden":
        return path, "no such key: remove it or check its spelling"
    if kind == "missing":
        return path, "missing: this key has no default"
    for sort, words in (("tuple", "a list"), ("model", "a mapping of keys"), ("dict", "a mapping of keys")):
        if kind.startswith(sort):
            message = f"must be {words}"
    message = message.replace("Input should be", "must be").replace("a valid integer", "a whole number")
    message = message.replace("a valid boolean", "true or false")
    return path, f"{message.replace('a valid string', 'text')}, got {shown(problem['input'])}"
