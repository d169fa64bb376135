"""Whether this process is alive, and whether it should get new clients: for supervisors and load balancers."""

from typing import Final

import msgspec
from aiohttp import web

from liaison.edges.responses import answer
from liaison.office.office import Office
from liaison.ports.clock import Clock

# Asking for readiness makes the log prove that it can commit. Anybody may ask, so it is proved once a second at most.
_REMEMBERED_MS: Final = 1_000


class Liveness(msgspec.Struct, frozen=True):
    """The event loop turns."""

    live: bool = True


class Readiness(msgspec.Struct, frozen=True):
    """`reasons` why not, for people; none when ready."""

    ready: bool
    reasons: list[str]


class Health:
    """Answers /livez and /readyz."""

    def __init__(self, office: Office, clock: Clock) -> None:
        self._office = office
        self._clock = clock
        self._reasons: list[str] = []
        self._asked_ms: int | None = None

    def routes(self) -> list[web.RouteDef]:
        """Give both routes."""
        return [web.get("/livez", self.live), web.get("/readyz", self.ready)]

    async def live(self, request: web.Request) -> web.StreamResponse:
        """Answer at all."""
        return answer(request, Liveness())

    async def ready(self, request: web.Request) -> web.StreamResponse:
        """Answer 200 or, with the reasons, 503."""
        now_ms = self._clock.monotonic_ms()
        if self._asked_ms is None or now_ms - self._asked_ms >= _REMEMBERED_MS:
            self._asked_ms = now_ms
            self._reasons = await self._office.readiness()
        return answer(request, Readiness(not self._reasons, self._reasons), status=503 if self._reasons else 200)
