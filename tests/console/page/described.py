"""The API's own description, held against what the server answers: every answer of a test goes through ``hold``."""

import re
from typing import Any

from jsonschema import Draft202012Validator


class Described:
    """An OpenAPI 3.1 document, whose schemas are JSON Schema 2020-12."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self._paths = [(re.compile(_pattern(path)), methods) for path, methods in document["paths"].items()]
        self.seen: set[str] = set()
        """Operations whose success was held against a schema."""

    def hold(self, method: str, path: str, status: int, headers: dict[str, str], body: Any) -> None:
        """Fails when the answer is not as described. Addresses that are not described are the page's files."""
        methods = self._find(path.partition("?")[0])
        if methods is None or method.lower() not in methods:
            return
        operation = methods[method.lower()]
        described = operation["responses"].get(str(status))
        if described is None:
            assert status >= 400, f"{method} {path}: {status} is not described"
            described = operation["responses"]["default"]
        kind = headers.get("content-type", "").partition(";")[0]
        content = described.get("content", {})
        if not content:
            assert not body
        else:
            assert kind in content, f"{method} {path}: {kind} is not described"
            self.hold_schema(content[kind]["schema"], body, f"{method} {path}")
        if status < 400:
            self.seen.add(operation["operationId"])

    def hold_schema(self, schema: dict[str, Any], value: Any, what: str) -> None:
        """Fails when the value does not fit."""
        whole = {**schema, "components": self.document["components"]}
        faults = [f"{error.json_path}: {error.message}" for error in Draft202012Validator(whole).iter_errors(value)]
        assert faults == [], f"{what}: {faults[:5]}"

    def hold_event(self, name: str, value: Any) -> None:
        """The same for an event of the stream."""
        content = self.document["paths"]["/api/v1/events"]["get"]["responses"]["200"]["content"]
        self.hold_schema(content["text/event-stream"]["x-events"][name], value, name)

    def _find(self, path: str) -> dict[str, Any] | None:
        exact = self.document["paths"].get(path)
        if exact is not None:
            return dict(exact)
        return next((methods for pattern, methods in self._paths if pattern.fullmatch(path)), None)


def _pattern(path: str) -> str:
    parts = re.split(r"(\{[^}]*\})", path)
    return "".join("[^/]+" if part.startswith("{") else re.escape(part) for part in parts)
