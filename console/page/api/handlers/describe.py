"""The OpenAPI 3.1 document, made from the table of operations (spec.openapis.org/oas/v3.1.0)."""

from typing import Any

from console.page.api.operation import Answer, Call, Operation
from qos import __version__

_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"pointer": {"type": "string"}, "detail": {"type": "string"}},
                "required": ["pointer", "detail"],
            },
        },
    },
}
_document: dict[str, Any] = {}


def get_openapi(_call: Call) -> Answer:
    """The document."""
    from console.page.api.table import OPERATIONS

    if not _document:
        _document.update(describe(OPERATIONS))
    return Answer(_document)


def describe(operations: tuple[Operation, ...]) -> dict[str, Any]:
    """The whole document. Pure."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.full_path, {})[operation.method.lower()] = _one(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "AutoQoS",
            "version": __version__,
            "description": "Which application uses the network, how good the connection is, what comes next; steer it.",
        },
        "paths": paths,
        "components": {
            "schemas": {"Problem": _PROBLEM},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _one(operation: Operation) -> dict[str, Any]:
    parameters = [
        {"name": segment[1:-1], "in": "path", "required": True, "schema": {"type": "string", "maxLength": 256}}
        for segment in operation.segments
        if segment.startswith("{")
    ]
    schema = operation.query.model_json_schema(by_alias=True)
    for name, field in schema.get("properties", {}).items():
        parameters.append({"name": name, "in": "query", "required": False, "schema": field})
    content = {media: {"schema": {"type": "object" if "json" in media else "string"}} for media in operation.media}
    status = {"log_in": "201", "log_out": "204"}.get(operation.handler.__name__, "200")
    success: dict[str, Any] = {"description": operation.answers}
    if status != "204":
        success["content"] = content
    problem = {
        "description": "RFC 9457",
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    found: dict[str, Any] = {
        "operationId": operation.handler.__name__.lstrip("_"),
        "summary": operation.summary,
        "parameters": parameters,
        "responses": {status: success, "default": problem},
        "security": [] if operation.access == "open" else [{"token": []}],
    }
    if operation.body is not None:
        body = operation.body.model_json_schema(by_alias=True)
        found["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return found
