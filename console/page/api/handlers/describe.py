"""The OpenAPI 3.1 document, made from the table of operations (spec.openapis.org/oas/v3.1.0)."""

from typing import Any

from pydantic import TypeAdapter

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
    schemas: dict[str, Any] = {"Problem": _PROBLEM}
    for operation in operations:
        paths.setdefault(operation.full_path, {})[operation.method.lower()] = _one(operation, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "AutoQoS",
            "version": __version__,
            "description": "Which application uses the network, how good the connection is, what comes next; steer it.",
        },
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _one(operation: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    parameters = [
        {"name": segment[1:-1], "in": "path", "required": True, "schema": {"type": "string", "maxLength": 256}}
        for segment in operation.segments
        if segment.startswith("{")
    ]
    schema = operation.query.model_json_schema(by_alias=True)
    for name, field in schema.get("properties", {}).items():
        parameters.append({"name": name, "in": "query", "required": False, "schema": field})
    success: dict[str, Any] = {"description": operation.summary}
    if operation.answer is not None and (words := operation.answer.__doc__) and operation.answer is not dict:
        success["description"] = words.strip()
    if operation.media:
        success["content"] = {media: {"schema": _shape(operation, media, schemas)} for media in operation.media}
    if operation.events:
        success["content"]["text/event-stream"]["x-events"] = {
            name: _named(shape, schemas) for name, shape in operation.events.items()
        }
    problem = {
        "description": "RFC 9457",
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    found: dict[str, Any] = {
        "operationId": operation.handler.__name__.lstrip("_"),
        "summary": operation.summary,
        "parameters": parameters,
        "responses": {str(operation.status): success, "default": problem},
        "security": [] if operation.access == "open" else [{"token": []}],
    }
    if operation.body is not None:
        body = _referred(operation.body.model_json_schema(by_alias=True, ref_template=_REF), schemas)
        found["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return found


_REF = "#/components/schemas/{model}"


def _shape(operation: Operation, media: str, schemas: dict[str, Any]) -> dict[str, Any]:
    if media != "application/json" or operation.answer is None:
        return {"type": "string"}
    if operation.answer is dict:
        return {"type": "object"}
    return _named(operation.answer, schemas)


def _named(shape: type, schemas: dict[str, Any]) -> dict[str, Any]:
    """A reference to the shape's schema, which is put among ``schemas``."""
    if shape.__name__ not in schemas:
        found = TypeAdapter(shape).json_schema(mode="serialization", ref_template=_REF)
        schemas[shape.__name__] = _referred(found, schemas)
    return {"$ref": _REF.format(model=shape.__name__)}


def _referred(schema: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    """The schema without its own definitions, which are put among ``schemas``."""
    for name, definition in schema.pop("$defs", {}).items():
        schemas.setdefault(name, definition)
    return schema
