"""`python -m bench.presence`: what presence costs each of three nodes, and how soon a change is seen at the others.

People sit at three nodes of one office (PostgreSQL, Redis), a fixed share of them changes availability each second, and
watchers at every node are told. The nodes' CPU time comes from the kernel's accounting, once while nothing changes and
once while it does; the last line is one JSON object.
"""

import argparse
import asyncio
import json
import os
import random
import secrets
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgpack
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from liaison.core.identifiers import DelegationId, Millis, UserId
from liaison.core.rights import Account, Credential, CredentialKind, Role, digest_of
from liaison.ports.directory import Secrets
from liaison.protocol.names import SUBPROTOCOL_MSGPACK
from liaison.wiring import BackOffice
from tests.torture.site import Node, Site, site

# As many as are let in at once; more would only wait in a node's backlog.
_COMING_IN: Final = 50
_WATCHERS_PER_NODE: Final = 10
_SETTLES_S: Final = 8.0
_END_OF_TIME: Final = Millis(4_102_444_800_000)
_STATES: Final = ("active", "away")


@dataclass
class Person:
    """One person at one node; `state` is the last availability that they said."""

    user: str
    socket: ClientConnection
    state: int = 0


@dataclass(frozen=True)
class Change:
    """Who said what, when, and at which node."""

    user: str
    state: str
    at_s: float


async def main(users: int, share: float, seconds: float) -> dict[str, Any]:
    """Measure on a site of its own."""
    with site() as whole_site:
        tokens = await asyncio.to_thread(_invite, whole_site, users)
        await asyncio.sleep(2)
        people = await _all_come_in(whole_site.nodes, tokens)
        changes: dict[str, Change] = {}
        seen_ms: list[float] = []
        watchers = [
            asyncio.create_task(_watch(person.socket, changes, seen_ms))
            for node in range(len(whole_site.nodes))
            for person in people[node :: len(whole_site.nodes)][:_WATCHERS_PER_NODE]
        ]
        await asyncio.sleep(_SETTLES_S)
        idle = await _cpu_share(whole_site.nodes, asyncio.sleep(seconds))
        changing = people[len(whole_site.nodes) * _WATCHERS_PER_NODE :]
        busy = await _cpu_share(whole_site.nodes, _change(changing, users * share, seconds, changes))
        await asyncio.sleep(2)
        for watcher in watchers:
            watcher.cancel()
        made = round(users * share * seconds)
        # Availability is shown to one's own side only, which is every second watcher.
        expected = made * len(watchers) / 2
        figures = {
            "users": users,
            "changes_per_s": users * share,
            "watchers": len(watchers),
            "idle_share_of_core_per_node": round(idle, 4),
            "changing_share_of_core_per_node": round(busy, 4),
            "presence_share_of_core_per_node": round(busy - idle, 4),
            "us_per_change_per_node": round((busy - idle) / (users * share) * 1e6, 1),
            "seen_of_expected": round(len(seen_ms) / expected, 4),
            "seen_p50_ms": round(_percentile(seen_ms, 0.5), 1),
            "seen_p99_ms": round(_percentile(seen_ms, 0.99), 1),
            "seen_max_ms": round(max(seen_ms), 1),
        }
        await asyncio.gather(*(person.socket.close() for person in people), return_exceptions=True)
        return figures


def _invite(whole_site: Site, users: int) -> list[tuple[str, str]]:
    """Give accounts, the two sides in turn, and a way in for each."""
    invited = [(f"official-{number}", "lsn_" + secrets.token_urlsafe(32)) for number in range(users)]

    async def create(office: BackOffice) -> None:
        for number, (name, secret) in enumerate(invited):
            user, side = UserId(name), DelegationId(("south", "north")[number % 2])
            await office.directory.add_account(Account(user, name, side, Role.OFFICIAL), Secrets("", ""), actor="bench")
            credential = Credential(digest_of(secret), user, CredentialKind.TOKEN, "bench", Millis(0), _END_OF_TIME)
            await office.directory.add_credential(credential, actor="bench")

    whole_site.steward.administer(create)
    return invited


async def _all_come_in(nodes: Sequence[Node], tokens: Sequence[tuple[str, str]]) -> list[Person]:
    turn = asyncio.Semaphore(_COMING_IN)

    async def come_in(number: int, user: str, token: str) -> Person:
        async with turn:
            socket = await connect(
                nodes[number % len(nodes)].door.url,
                subprotocols=[Subprotocol(SUBPROTOCOL_MSGPACK)],
                compression=None,
                ping_interval=None,
                proxy=None,
                # The reply lists everybody.
                max_size=None,
            )
            await socket.send(_packed({"type": "connect", "id": 1, "token": token, "client": "bench"}))
            reply = await socket.recv()
            if not isinstance(reply, bytes) or b"session" not in reply[:100]:
                raise RuntimeError(f"{user} was not let in: {reply[:200]!r}")
            return Person(user, socket)

    return await asyncio.gather(*(come_in(number, *one) for number, one in enumerate(tokens)))


async def _watch(socket: ClientConnection, changes: dict[str, Change], seen_ms: list[float]) -> None:
    """Note how long after it was said each change is shown."""
    await socket.send(_packed({"type": "presence", "id": 2, "watch": True}))
    async for payload in socket:
        now_s = time.monotonic()
        frame = msgpack.unpackb(payload)
        if frame["type"] != "presence_diff":
            continue
        for shown in frame["joins"]:
            change = changes.get(shown["user"])
            if change is not None and shown["availability"] == change.state:
                seen_ms.append((now_s - change.at_s) * 1000)


async def _change(people: Sequence[Person], per_s: float, seconds: float, changes: dict[str, Change]) -> None:
    """Let people change, evenly spread over time; each at most once, so that no change hides another."""
    rng = random.Random(1)
    began_s = time.monotonic()
    number = round(per_s * seconds)
    for place, person in enumerate(rng.sample(people, number)):
        pause_s = began_s + place / per_s - time.monotonic()
        if pause_s > 0:
            await asyncio.sleep(pause_s)
        person.state += 1
        state = _STATES[person.state % len(_STATES)]
        changes[person.user] = Change(person.user, state, time.monotonic())
        await person.socket.send(_packed({"type": "availability", "id": 3, "state": state}))


async def _cpu_share(nodes: Sequence[Node], work: Any) -> float:
    """Give the share of a core that a node takes while `work` is done, on average."""
    before, began_s = _cpu_s(nodes), time.monotonic()
    await work
    return (_cpu_s(nodes) - before) / (time.monotonic() - began_s) / len(nodes)


def _cpu_s(nodes: Sequence[Node]) -> float:
    ticks = 0
    for node in nodes:
        fields = Path(f"/proc/{node.server.pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _packed(frame: dict[str, Any]) -> bytes:
    packed: bytes = msgpack.packb(frame)
    return packed


def _percentile(values: list[float], part: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.presence")
    parser.add_argument("--users", type=int, default=10_000)
    parser.add_argument("--share", type=float, default=0.01, help="of them, who change each second")
    parser.add_argument("--seconds", type=float, default=20)
    return parser.parse_args()


if __name__ == "__main__":
    arguments = _arguments()
    result = asyncio.run(main(arguments.users, arguments.share, arguments.seconds))
    sys.stdout.write(json.dumps(result) + "\n")
