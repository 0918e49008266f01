"""Changing single keys of a YAML text with its comments, order and quotes kept (ruamel.yaml's round trip). Pure."""

import io
from collections.abc import Mapping
from typing import Any


class YamlEditError(ValueError):
    """The change cannot be made; the message says why."""


def set_keys(text: str, changes: Mapping[str, Any]) -> str:
    """The text with each dotted key set. Missing mappings are made. Raises YamlEditError."""
    from ruamel.yaml import YAML
    from ruamel.yaml.comments import CommentedMap
    from ruamel.yaml.error import YAMLError

    yaml = YAML(typ="rt")
    yaml.preserve_quotes = True
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    try:
        document = yaml.load(text)
    except (YAMLError, ValueError, RecursionError) as error:
        raise YamlEditError(f"the file is not valid YAML: {str(error).partition(chr(10))[0]}") from None
    if document is None:
        document = CommentedMap()
    for path, value in changes.items():
        place = document
        *folders, name = path.split(".")
        for folder in folders:
            if not isinstance(place, dict):
                raise YamlEditError(f"{path}: {folder} is no mapping in the file")
            key: Any = int(folder) if folder.isdecimal() and int(folder) in place else folder
            if place.get(key) is None:
                place[key] = CommentedMap()
            place = place[key]
        if not isinstance(place, dict):
            raise YamlEditError(f"{path}: what it belongs to is no mapping in the file")
        place[name] = value
    out = io.StringIO()
    yaml.dump(document, out)
    return out.getvalue()
