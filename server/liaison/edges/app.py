"""Everything that is served over one port, put together over one office."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
from aiohttp import web

from liaison.edges.addresses import ClientPace
from liaison.edges.api import Api
from liaison.edges.api_routes import PREFIX, Route, routes
from liaison.edges.coalescing import ConnectionGroup
from liaison.edges.doorkeeper import keep_the_door
from liaison.edges.health import Health
from liaison.edges.metrics import Metrics, metrics_routes
from liaison.edges.openapi import document
from liaison.edges.pages import Pages
from liaison.edges.responses import (
    JSON_TYPE,
    Handler,
    error_middleware,
    parting_middleware,
    security_middleware,
)
from liaison.edges.settings import EdgeSettings
from liaison.edges.websocket import Upgrades
from liaison.office.office import Office
from liaison.protocol.names import WEBSOCKET_PATH

OPENAPI_PATH: Final = f"{PREFIX}/openapi.json"


@dataclass(frozen=True, slots=True)
class Shared:
    """What the endpoints of a node have in common beside its office."""

    group: ConnectionGroup
    upgrades: Upgrades
    pace: ClientPace
    metrics: Metrics


def build_app(office: Office, settings: EdgeSettings, shared: Shared) -> web.Application:
    """Make the application: pages, API, socket, streams, health and metrics. Raises BadBuild."""
    app = bare_app(office, settings)
    table = routes(Api(office, shared.group, shared.pace, settings))
    for route in table:
        app.router.add_route(route.method, route.pattern, route.handler)
    app.router.add_get(WEBSOCKET_PATH, shared.upgrades.upgrade, allow_head=False)
    app.router.add_get(OPENAPI_PATH, _describer(table))
    app.add_routes(Health(office, office.clock).routes())
    app.add_routes(Pages(settings).routes())
    if settings.serves_metrics:
        app.add_routes(metrics_routes(shared.metrics, settings.metrics_token))
    return app


def build_metrics_app(office: Office, settings: EdgeSettings, metrics: Metrics) -> web.Application:
    """Make the application for a listener of its own that has nothing but health and metrics."""
    app = bare_app(office, settings)
    app.add_routes(Health(office, office.clock).routes())
    app.add_routes(metrics_routes(metrics, settings.metrics_token))
    return app


def bare_app(office: Office, settings: EdgeSettings) -> web.Application:
    """Make an application that has the rules of the door, of errors and of headers, and no route yet."""
    return web.Application(
        client_max_size=settings.max_body_bytes,
        middlewares=[
            keep_the_door,
            security_middleware(uses_tls=settings.uses_tls),
            parting_middleware(office),
            error_middleware(office),
        ],
    )


def _describer(routes: Sequence[Route]) -> Handler:
    body = msgspec.json.format(msgspec.json.encode(document(routes)), indent=1)

    async def describe(_request: web.Request) -> web.StreamResponse:
        return web.Response(body=body, content_type=JSON_TYPE)

    return describe
