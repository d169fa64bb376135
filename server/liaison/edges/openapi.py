"""The OpenAPI document, made from the route table and the types that decode and encode, so that it can't be wrong."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from liaison import __version__
from liaison.edges.api_routes import Route
from liaison.edges.responses import JSON_TYPE, MSGPACK_TYPE, ErrorBody
from liaison.protocol.frames import Reply
from liaison.protocol.media_types import ATTACHMENT_TYPES

_REF: Final = "#/components/schemas/{name}"
_ENVELOPE_FIELDS: Final = ("id", "type")

# JSON by its nature: what stands here is a tree of strings, numbers, lists and maps.
Json = dict[str, Any]


def document(routes: Sequence[Route]) -> Json:
    """Give the whole document. `{channel}` stands for a name with its slash, such as `joint/general`."""
    types = {kind for route in routes for kind in (route.reply, route.body) if kind is not None} | {ErrorBody}
    _, schemas = msgspec.json.schema_components(sorted(types, key=lambda kind: kind.__name__), ref_template=_REF)
    for kind in types:
        if issubclass(kind, Reply):
            _leave_envelope_out(schemas[kind.__name__])
    paths: Json = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Liaison", "version": __version__, "summary": "Chat and presence for two delegations."},
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "browser": {"type": "apiKey", "in": "cookie", "name": "liaison_session"},
            },
        },
    }


def _leave_envelope_out(schema: Json) -> None:
    """HTTP answers one request with one body, so a reply's type and id are not in it."""
    for field in _ENVELOPE_FIELDS:
        schema["properties"].pop(field, None)
    schema["required"] = [field for field in schema.get("required", []) if field not in _ENVELOPE_FIELDS]


def _operation(route: Route) -> Json:
    operation: Json = {
        "operationId": route.operation,
        "summary": route.summary,
        "parameters": [*_path_parameters(route), *_query_parameters(route)],
        "responses": {**_success(route), "default": _content("An error.", ErrorBody)},
        "security": [] if route.is_public else [{"token": []}, {"browser": []}],
    }
    if route.takes_file:
        files = {media_type: {"schema": {"type": "string", "format": "binary"}} for media_type in ATTACHMENT_TYPES}
        operation["requestBody"] = {"required": True, "content": files}
    if route.body is not None:
        operation["requestBody"] = {"required": True, **_content("", route.body, described=False)}
    return operation


def _success(route: Route) -> Json:
    if route.gives_file:
        return {"200": {"description": "The file.", "content": {kind: {} for kind in ATTACHMENT_TYPES}}}
    if route.reply is None:
        return {"200": {"description": "An event stream.", "content": {"text/event-stream": {}}}}
    responses = {"200": _content("Done.", route.reply)}
    if route.created:
        responses["201"] = _content("Done, and new.", route.reply)
        if issubclass(route.reply, Reply):
            responses["202"] = _content("Held until the channel is resumed.", route.reply)
    return responses


def _content(description: str, kind: type[msgspec.Struct], *, described: bool = True) -> Json:
    schema = {"schema": {"$ref": _REF.format(name=kind.__name__)}}
    content: Json = {"content": {JSON_TYPE: schema, MSGPACK_TYPE: schema}}
    return {"description": description, **content} if described else content


def _path_parameters(route: Route) -> list[Json]:
    kinds = {
        "channel": {"type": "string"},
        "seq": {"type": "integer", "minimum": 1},
        "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
    }
    return [
        {"name": name, "in": "path", "required": True, "schema": schema}
        for name, schema in kinds.items()
        if f"{{{name}}}" in route.path
    ]


def _query_parameters(route: Route) -> list[Json]:
    schema = msgspec.json.schema(route.query)["$defs"][route.query.__name__]
    required = schema.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": facts}
        for name, facts in schema["properties"].items()
    ]
