"""Two nodes of one office over one log and a real Redis: hints are lost, Redis is killed, and delivery goes on."""

import asyncio
import random
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from liaison.adapters.redis_bus import RedisBus
from liaison.adapters.redis_presence import RedisPresence
from liaison.adapters.redis_site import RedisSettings, RedisSite
from liaison.adapters.sql_directory import SqlDirectory
from liaison.adapters.sql_engine import Database, memory_database
from liaison.adapters.sql_log import SqlLog, SqlReadPositions
from liaison.adapters.system_clock import SystemClock
from liaison.core.identifiers import ChannelId, DelegationId, Millis, UserId
from liaison.core.rights import Account, Channel, Credential, CredentialKind, Role, digest_of
from liaison.office.accounts import Accounts
from liaison.office.office import Desks, Office, World
from liaison.office.presence import PresenceFeed
from liaison.office.registry import Registry
from liaison.office.session_table import SessionTable
from liaison.office.sessions import Peer
from liaison.office.settings import OfficeSettings
from liaison.ports.bus import AnyHint, Bus, BusListener, EntriesHint
from liaison.ports.directory import Secrets
from liaison.protocol.codec import WireFormat
from tests.adapters.bus_listener import once
from tests.office.doubles import Wire
from tests.office.plain_passwords import PlainPasswords
from tests.office.whole_office import Seat, secret_of
from tests.redis_server import RedisServer, redis_server, shared_redis
from tests.simulation.cluster import PROFILE
from tests.simulation.silence import SilentObserver

pytestmark = pytest.mark.system

GENERAL = ChannelId("joint/general")
PEOPLE = ("south-1", "north-1")


class Forgetful:
    """A bus that loses the entries of one append on the way, when it is told to."""

    def __init__(self, bus: RedisBus) -> None:
        self._bus = bus
        self.loses_next = False
        self.lost = 0

    @property
    def is_up(self) -> bool:
        return self._bus.is_up

    def attach(self, listener: BusListener) -> Callable[[], None]:
        return self._bus.attach(listener)

    def publish(self, hint: AnyHint) -> None:
        if self.loses_next and isinstance(hint, EntriesHint):
            self.loses_next = False
            self.lost += 1
        else:
            self._bus.publish(hint)

    async def subscribe(self, channel: ChannelId) -> None:
        await self._bus.subscribe(channel)

    def unsubscribe(self, channel: ChannelId) -> None:
        self._bus.unsubscribe(channel)


class Node:
    """One node, and somebody who is connected there."""

    def __init__(self, office: Office, bus: Forgetful) -> None:
        self.office, self.bus = office, bus
        self.arrivals: dict[int, float] = {}

    async def seat(self, user: str) -> Seat:
        """Let somebody in who follows the joint channel; `arrivals` has when each message came, by its seq."""
        wire = Wire()
        wire.after_send = lambda: self._note(wire)
        seat = Seat(wire, self.office.open_session(wire, WireFormat.MSGPACK, "", Peer("loopback", "test")))
        reply = await seat.ask("connect", token=secret_of(user))
        assert reply["type"] == "reply", reply
        reply = await seat.ask("subscribe", channel=GENERAL, tail=0)
        assert reply["type"] == "reply", reply
        return seat

    def _note(self, wire: Wire) -> None:
        now_s = time.perf_counter()
        for seq in wire.seqs[len(self.arrivals) :]:
            self.arrivals[seq] = now_s


@asynccontextmanager
async def node(name: str, database: Database, settings: RedisSettings) -> AsyncIterator[Node]:
    """Run a node."""
    site, clock, rng = RedisSite(settings), SystemClock(), random.Random(secrets.randbits(32))
    bus, presence = RedisBus(site, rng, node=name), RedisPresence(site, rng, node=name)
    forgetful = Forgetful(bus)
    checked: Bus = forgetful
    directory = SqlDirectory(database, clock)
    registry = Registry(directory, clock)
    world = World(
        log=SqlLog(database),
        reads=SqlReadPositions(database),
        directory=directory,
        bus=checked,
        clock=clock,
        observer=SilentObserver(),
        rng=rng,
    )
    desks = Desks(
        registry=registry,
        accounts=Accounts(directory, registry, PlainPasswords(), PROFILE, clock, rng.randbytes),
        presence=PresenceFeed(presence, clock, PROFILE, node=name, rng=rng),
        session_table=SessionTable(name),
    )
    office = Office(name, PROFILE, OfficeSettings(), world, desks)
    async with site.open(), bus.running(), presence.running(), office.running():
        yield Node(office, forgetful)


@asynccontextmanager
async def two_nodes(settings: RedisSettings) -> AsyncIterator[tuple[Node, Seat, Node, Seat]]:
    """Run two nodes; one person speaks at the first and another listens at the second."""
    database = memory_database()
    directory = SqlDirectory(database, SystemClock())
    await directory.add_channel(Channel(GENERAL, "일반", "General"), {}, actor="test")
    for name in PEOPLE:
        account = Account(UserId(name), name, DelegationId(name.partition("-")[0]), Role.OFFICIAL)
        await directory.add_account(account, Secrets("", ""), actor="test")
        digest = digest_of(secret_of(name))
        credential = Credential(digest, account.user, CredentialKind.TOKEN, "test", Millis(0), Millis(2**50))
        await directory.add_credential(credential, actor="test")
    async with AsyncExitStack() as stack:
        here = await stack.enter_async_context(node("here", database, settings))
        there = await stack.enter_async_context(node("there", database, settings))
        yield here, await here.seat("south-1"), there, await there.seat("north-1")
    await database.close()


async def say(seat: Seat, number: int) -> int:
    """Publish one message; give its seq."""
    reply = await seat.ask("publish", channel=GENERAL, key=f"k{number}", text=f"말 {number}")
    assert reply["type"] == "reply", reply
    return int(reply["seq"])


async def latencies_ms(speaker: Seat, there: Node, numbers: range, pause_s: float) -> list[float]:
    """Say something again and again; give how long after its acknowledgement each was seen at the other node."""
    acked: dict[int, float] = {}
    for number in numbers:
        acked[await say(speaker, number)] = time.perf_counter()
        await asyncio.sleep(pause_s)
    await once(lambda: acked.keys() <= there.arrivals.keys(), 5)
    return sorted(max(0.0, there.arrivals[seq] - acked_s) * 1000 for seq, acked_s in acked.items())


def p99(sorted_values: list[float]) -> float:
    return sorted_values[int(len(sorted_values) * 0.99) - 1]


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with redis_server() as running:
        yield running


async def test_last_hint_that_was_lost_is_found_within_two_seconds() -> None:
    async with two_nodes(shared_redis().settings()) as (here, speaker, there, _):
        await say(speaker, 0)
        await once(lambda: 1 in there.arrivals, 1)
        worst_s = 0.0
        for number in range(1, 3):
            here.bus.loses_next = True
            seq = await say(speaker, number)
            worst_s = max(worst_s, await once(lambda seq=seq: seq in there.arrivals, 2))  # type: ignore[misc]
        assert here.bus.lost == 2
        # Had the bus carried them, it would have been milliseconds.
        assert worst_s > 0.1
        print(f"\nA lost last hint was found after {worst_s:.2f} s at worst")


# What is measured in milliseconds has the machine for itself.
@pytest.mark.alone
async def test_delivery_goes_on_by_polling_while_redis_is_dead_and_is_fast_again_after(server: RedisServer) -> None:
    async with two_nodes(server.settings()) as (here, speaker, there, listener):
        await latencies_ms(speaker, there, range(20), 0)
        fast = await latencies_ms(speaker, there, range(100, 200), 0.005)
        server.kill()
        polled = await latencies_ms(speaker, there, range(200, 310), 0.02)
        assert not here.bus.is_up
        assert await here.office.readiness() == ["deaf to the bus"]
        server.start()
        back_s = time.perf_counter()
        number = 400
        # Faster than any poll could be, and so by Redis.
        while (await latencies_ms(speaker, there, range(number, number + 1), 0))[0] > 20:
            number += 1
        back_s = time.perf_counter() - back_s
        again = await latencies_ms(speaker, there, range(1000, 1050), 0.01)
        print(
            f"\nseen at the other node after: by Redis p99 {p99(fast):.0f} ms, by polling p99 {p99(polled):.0f} ms;"
            f" Redis used again {back_s:.1f} s after its return, p99 {p99(again):.0f} ms"
        )
        assert p99(polled) <= 500
        assert back_s <= 2
        assert p99(again) <= 100
        # Nothing lost, nothing twice, in order.
        assert listener.wire.seqs == list(range(1, len(there.arrivals) + 1))


async def test_people_of_both_nodes_see_each_other_and_again_after_redis_lost_everything(server: RedisServer) -> None:
    async with two_nodes(server.settings()) as (here, speaker, there, listener):
        await once(lambda: sees_all(here, speaker) and sees_all(there, listener), 8)
        server.kill()
        await once(lambda: here.office.presence.stale_since_ms > 0 and there.office.presence.stale_since_ms > 0, 5)
        server.start()
        took_s = await once(lambda: sees_all(here, speaker) and sees_all(there, listener), 9)
        print(f"\npresence was as before {took_s:.1f} s after Redis' return")
        # Six seconds are promised; the machine that tests may be slow.
        assert took_s <= 8


def sees_all(node: Node, seat: Seat) -> bool:
    """Whether this person sees everybody online, and that for sure."""
    reply = node.office.presence.reply(1, seat.session.account)
    return not reply.stale_since_ms and {user.user for user in reply.users} == set(PEOPLE)
