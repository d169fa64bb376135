"""The registers over HTTP: one endpoint for each of their commands, made from the command's own type. (PROTOCOL.md §10)

`POST /api/v1/registers/{command}` takes the command's fields without `type` and `id`, and answers with its reply.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, get_type_hints

import msgspec
from aiohttp import web

from liaison.office.registers import Handler
from liaison.protocol.frames import Command, Reply

# HTTP carries one command a request, so its id says nothing.
_ID: Final = 1

Execute = Callable[[web.Request, Command], Awaitable[web.StreamResponse]]
ReadBody = Callable[[web.Request, type[msgspec.Struct]], Awaitable[msgspec.Struct]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One command: what a request's body is, what serves it, and what it replies."""

    command: type[Command]
    body: type[msgspec.Struct]
    serve: Callable[[web.Request], Awaitable[web.StreamResponse]]
    reply: type[Reply]

    @property
    def name(self) -> str:
        """The command's name on the wire."""
        return name_of(self.command)


def name_of(command: type[Command]) -> str:
    """Give the command's name on the wire."""
    return str(command.__struct_config__.tag)


def body_of(command: type[Command]) -> type[msgspec.Struct]:
    """Give the type of a request's body: the command without its envelope, just as strict."""
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = []
    for field in msgspec.structs.fields(command):
        if field.name == "id":
            continue
        if field.default is not msgspec.NODEFAULT:
            fields.append((field.name, field.type, field.default))
        elif field.default_factory is not msgspec.NODEFAULT:
            fields.append((field.name, field.type, msgspec.field(default_factory=field.default_factory)))
        else:
            fields.append((field.name, field.type))
    return msgspec.defstruct(f"{command.__name__}Body", fields, frozen=True, forbid_unknown_fields=True, kw_only=True)


def reply_of(handler: Handler) -> type[Reply]:
    """Give the type that a handler says it replies with."""
    reply = get_type_hints(handler)["return"]
    assert isinstance(reply, type)
    assert issubclass(reply, Reply)
    return reply


def endpoints(handlers: Mapping[type[Command], Handler], execute: Execute, read_body: ReadBody) -> list[Endpoint]:
    """Give the endpoint of each command."""
    return [
        Endpoint(command, body, _endpoint(command, body, execute, read_body), reply_of(handler))
        for command, body, handler in ((command, body_of(command), handler) for command, handler in handlers.items())
    ]


def _endpoint(
    command: type[Command], body: type[msgspec.Struct], execute: Execute, read_body: ReadBody
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def endpoint(request: web.Request) -> web.StreamResponse:
        given = await read_body(request, body)
        return await execute(request, command(id=_ID, **msgspec.structs.asdict(given)))

    endpoint.__name__ = name_of(command)
    return endpoint
