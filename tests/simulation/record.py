"""The signed record and attachments under faults: a side attaches, says and signs, nodes crash, the database lies.

R1 what was granted is on the log, once, at the place that was told · R2 every signed head on the log is its side's own
signature under what the log holds · R3 an older head never stands behind a newer one of the same key · A1 whatever an
entry names is stored whole under its hash · A2 what is fetched is what the entry says · A3 after healing nothing is
stored that neither an entry nor a young upload has.

Some of what is asked for is wrong on purpose: heads that the log doesn't have, signatures of others, files that nobody
brought. The checker computes the chain and verifies the signatures by itself.
"""

import asyncio
import hashlib
import logging
import random
from base64 import b64decode
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import msgspec
import structlog
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from liaison.adapters.sql_uploads import SqlUploads
from liaison.adapters.sql_writer import StorageUnavailableError, StorageUnknownError, Transactions, Work
from liaison.core.chain import GENESIS, link_of
from liaison.core.entries import Entry, EntryKind
from liaison.core.identifiers import ChannelId, DelegationId, Millis
from liaison.office.administration import AdministrationDepartment
from liaison.office.attachments import AttachmentSettings, AttachmentStores, Offered
from liaison.office.office import Office
from liaison.office.record import RecordDepartment
from liaison.office.settings import OfficeSettings
from liaison.ports.attachments import AttachmentsUnavailableError
from liaison.protocol.errors import LiaisonError, Unavailable
from liaison.protocol.signed_heads import HeadStatement
from tests import virtual_time
from tests.memory_contents import MemoryContents, MemoryIncoming
from tests.office.liaison_office import GENERAL, SIDES, LiaisonOffice, secret_of
from tests.side_signer import OFFICE, SideSigner
from tests.simulation.cluster import Weather
from tests.simulation.nodes import StormyNodes

T = TypeVar("T")

STORM_S: Final = 20.0
HEAL_S: Final = 8.0
# So short that what is cleared away and what is about to be named meet.
ATTACHMENTS: Final = AttachmentSettings(keep_unused_ms=1500, clear_every_s=0.7)
CHANNEL: Final = ChannelId(GENERAL)


@dataclass
class Outcome:
    """What a run came to."""

    violations: list[str]
    said: int
    signed: int
    attached: int
    cleared: int
    faults: int


@dataclass(frozen=True)
class Granted:
    """What somebody was told: their entry by its key, or what stands in a signature, has this place."""

    by: str
    name: str
    seq: int


@dataclass(frozen=True)
class Found:
    """What stands at the end; `stored` has the content under each hash."""

    entries: Sequence[Entry]
    granted: Sequence[Granted]
    keys: Mapping[str, SideSigner]
    stored: Mapping[str, bytes]
    fetched: Sequence[tuple[str, bytes]]


def simulate(seed: int) -> Outcome:
    """Run one seed under virtual time."""

    async def scenario(world: virtual_time.World) -> Outcome:
        return await _Run(world).run()

    return virtual_time.run(seed, scenario, limit_s=300)


class StormyTransactions:
    """A node's way to the tables of attachments: refused, or with an answer that is lost after COMMIT."""

    def __init__(self, database: Transactions, weather: Weather, rng: random.Random) -> None:
        self._database, self._weather, self._rng = database, weather, rng

    async def write(self, work: Work[T]) -> T:
        await self._travel()
        result = await self._database.write(work)
        await asyncio.sleep(self._rng.expovariate(1 / 0.02))
        if self._rng.random() < self._weather.p_append_fails / 3:
            raise StorageUnknownError("the answer was lost")
        return result

    async def read(self, work: Work[T]) -> T:
        await self._travel()
        return await self._database.read(work)

    async def _travel(self) -> None:
        await asyncio.sleep(self._rng.expovariate(1 / 0.02))
        if self._rng.random() < self._weather.p_append_fails / 3:
            raise StorageUnavailableError("the database is away")


class StormyContents:
    """A node's way to the contents: as slow, and now and then away before or after something was done."""

    def __init__(self, contents: MemoryContents, weather: Weather, rng: random.Random) -> None:
        self._contents, self._weather, self._rng = contents, weather, rng

    @asynccontextmanager
    async def incoming(self) -> AsyncIterator["StormyIncoming"]:
        async with self._contents.incoming() as incoming:
            yield StormyIncoming(incoming, self)

    async def read(self, sha256: str) -> AsyncIterator[bytes]:
        await self.travel()
        async for piece in self._contents.read(sha256):
            yield piece

    async def kept_before(self, before_ms: Millis) -> Sequence[str]:
        found = await self._contents.kept_before(before_ms)
        await self.travel()
        return found

    async def remove(self, sha256: str, before_ms: Millis) -> bool:
        await self.travel()
        was_removed = await self._contents.remove(sha256, before_ms)
        await self.travel()
        return was_removed

    async def travel(self) -> None:
        """Take some time, or break."""
        await asyncio.sleep(self._rng.expovariate(1 / 0.02))
        if self._rng.random() < self._weather.p_append_fails / 3:
            raise AttachmentsUnavailableError("away")


class StormyIncoming:
    """ports.attachments.Incoming, on its way through StormyContents."""

    def __init__(self, incoming: MemoryIncoming, contents: StormyContents) -> None:
        self._incoming, self._contents = incoming, contents

    @property
    def size_bytes(self) -> int:
        return self._incoming.size_bytes

    @property
    def sha256(self) -> str:
        return self._incoming.sha256

    async def write(self, piece: bytes) -> None:
        await self._incoming.write(piece)

    async def keep(self) -> None:
        await self._contents.travel()
        await self._incoming.keep()
        await self._contents.travel()


class _Run:
    def __init__(self, world: virtual_time.World) -> None:
        self._rng, self._weather = world.random, Weather(p_append_fails=0.12)
        departments = (AdministrationDepartment, lambda office: RecordDepartment(office, OFFICE))
        self._whole = LiaisonOffice(world, departments)
        self._whole.settings = OfficeSettings(attachments=ATTACHMENTS)
        self._contents = MemoryContents(world.clock)
        self._whole.attachments = self._stores()
        self._nodes = StormyNodes(self._whole.node, self._whole.log, self._weather, world.random)
        self._granted: list[Granted] = []
        self._fetched: list[tuple[str, bytes]] = []

    def _stores(self) -> AttachmentStores:
        rng = random.Random(self._rng.randrange(2**32))
        tables = StormyTransactions(self._whole.database, self._weather, rng)
        return AttachmentStores(StormyContents(self._contents, self._weather, rng), SqlUploads(tables))

    async def run(self) -> Outcome:
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
        await self._whole.move_in()
        for _ in range(2):
            await self._nodes.begin()
        async with asyncio.TaskGroup() as tasks:
            actors = [_Actor(self, side, random.Random(self._rng.randrange(2**32))) for side in SIDES]
            acting = [tasks.create_task(actor.act()) for actor in actors]
            faults = await self._nodes.storm(STORM_S)
            for task in acting:
                task.cancel()
        self._weather.p_append_fails, self._weather.log_full = 0.0, False
        await asyncio.sleep(HEAL_S)
        keys = {actor.signer.fingerprint: actor.signer for actor in actors}
        entries = await self._whole.entries(GENERAL)
        found = Found(entries, self._granted, keys, dict(self._contents.contents), self._fetched)
        await self._nodes.crash_all()
        signed = sum(entry.draft.kind is EntryKind.SIGNED_HEAD for entry in found.entries)
        named = set(_named(found.entries))
        return Outcome(
            violations=list(violations(found)),
            said=len(found.entries) - signed,
            signed=signed,
            attached=len(named),
            cleared=self._contents.removals,
            faults=faults,
        )

    # --- what an actor may do -------------------------------------------------------------------------------------

    @property
    def clock(self) -> virtual_time.VirtualClock:
        return self._whole.clock

    async def ask(self, rng: random.Random, user: str, type_: str, **fields: Any) -> Any:
        """Insist on one command. Raises LiaisonError."""
        return await self._nodes.insist(lambda office: self._whole.ask_at(office, user, type_, **fields), rng)

    async def upload(self, rng: random.Random, user: str, content: bytes) -> dict[str, Any]:
        """Insist on an upload, and give what may be named then. Raises LiaisonError."""

        async def bring(office: Office) -> dict[str, Any]:
            offered = Offered("회의록.txt", "text/plain", len(content))
            actor = office.authenticate(secret_of(user))
            brought = await office.attachments.upload(actor, GENERAL, offered, _in_pieces(content))
            named: dict[str, Any] = msgspec.to_builtins(brought)
            return named

        return await self._nodes.insist(bring, rng)

    async def fetch(self, rng: random.Random, user: str, sha256: str) -> None:
        """Insist on a download. Raises LiaisonError."""

        async def take(office: Office) -> bytes:
            _, pieces = await office.attachments.download(office.authenticate(secret_of(user)), GENERAL, sha256)
            try:
                return await _whole_of(pieces)
            except AttachmentsUnavailableError as error:
                # Broken off in the middle, as a transfer is: whoever fetches begins again.
                raise Unavailable("broken off") from error

        self._fetched.append((sha256, await self._nodes.insist(take, rng)))

    def grant(self, by: str, name: str, seq: int) -> None:
        """Note what somebody was told."""
        self._granted.append(Granted(by, name, seq))


class _Actor:
    """One of a side, who does one thing after the other."""

    def __init__(self, run: _Run, side: str, rng: random.Random) -> None:
        self._run, self._rng = run, rng
        self._user = f"{side}-head"
        self.signer = SideSigner(side)
        self._attached: list[str] = []

    async def act(self) -> None:
        """Act until cancelled."""
        await self._ask("register_key", key="the key", **self.signer.registration())
        for turn in range(10**6):
            await asyncio.sleep(self._rng.expovariate(4))
            act = self._rng.choice((self._say, self._attach, self._attach, self._sign, self._sign, self._fetch))
            # A refusal is an answer: some of what is asked for is wrong, and some has become so.
            with suppress(LiaisonError):
                await act(f"{self._user} {turn}")

    async def _ask(self, type_: str, **fields: Any) -> Any:
        return await self._run.ask(self._rng, self._user, type_, **fields)

    async def _say(self, key: str) -> None:
        said = await self._ask("publish", channel=GENERAL, key=key, text=key)
        self._run.grant(self._user, key, said["seq"])

    async def _attach(self, key: str) -> None:
        # Some contents are brought again and again, by both sides.
        content = f"문서 {self._rng.randrange(20)}".encode()
        if self._rng.random() < 0.15:
            named = {"sha256": _hash(content), "name": "x.txt", "media_type": "text/plain", "size_bytes": len(content)}
        else:
            named = await self._run.upload(self._rng, self._user, content)
            # About as long as an upload is kept, so that some are cleared away before, some while, some after.
            await asyncio.sleep(self._rng.choice((0, 0.1, self._rng.uniform(1, 3))))
        said = await self._ask("publish", channel=GENERAL, key=key, text=key, attachments=[named])
        self._run.grant(self._user, key, said["seq"])
        self._attached.append(str(named["sha256"]))

    async def _sign(self, _key: str) -> None:
        page = (await self._ask("history", channel=GENERAL, limit=5))["messages"]
        if not page:
            return
        newest = page[-1] if self._rng.random() < 0.7 else self._rng.choice(page)
        link, signer = b64decode(newest["link"]), self.signer
        if self._rng.random() < 0.2:
            link = hashlib.sha256(link).digest()
        elif self._rng.random() < 0.2:
            signer = SideSigner(signer.side, "somebody else's")
        head = signer.head(GENERAL, newest["seq"], link, self._run.clock.wall_ms())
        # Under one's own name, whoever signed.
        told = await self._ask("sign_head", **head | {"fingerprint": self.signer.fingerprint})
        self._run.grant(self._user, head["signature"], told["seq"])

    async def _fetch(self, _key: str) -> None:
        if self._attached:
            await self._run.fetch(self._rng, self._user, self._rng.choice(self._attached))


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


async def _in_pieces(content: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(content), 4):
        await asyncio.sleep(0.01)
        yield content[at : at + 4]


async def _whole_of(pieces: AsyncIterator[bytes]) -> bytes:
    return b"".join([piece async for piece in pieces])


# --- the checker --------------------------------------------------------------------------------------------------


def _named(entries: Iterable[Entry]) -> Iterable[str]:
    for entry in entries:
        if entry.draft.kind is EntryKind.TEXT and entry.draft.data:
            yield from (each["sha256"] for each in msgspec.json.decode(entry.draft.data)["attachments"])


def violations(found: Found) -> Iterable[str]:
    """Give every broken promise, as `NAME what`."""
    yield from _check_granted(found)
    yield from _check_heads(found)
    named = set(_named(found.entries))
    for sha256 in sorted(named):
        if sha256 not in found.stored or _hash(found.stored[sha256]) != sha256:
            yield f"A1 an entry names {sha256}, which is {'damaged' if sha256 in found.stored else 'not there'}"
    for sha256, content in found.fetched:
        if _hash(content) != sha256:
            yield f"A2 {sha256} was asked for and {_hash(content)} came"
    for sha256 in sorted(set(found.stored) - named):
        yield f"A3 {sha256} is stored and nobody needs it"


def _check_granted(found: Found) -> Iterable[str]:
    places: dict[tuple[str, str], list[int]] = {}
    for entry in found.entries:
        draft = entry.draft
        is_head = draft.kind is EntryKind.SIGNED_HEAD
        name = msgspec.json.decode(draft.data)["signature"] if is_head else draft.key
        places.setdefault((draft.sender, name), []).append(entry.seq)
    for told in found.granted:
        if places.get((told.by, told.name)) != [told.seq]:
            yield f"R1 {told.name} was told to be {told.seq} and is {places.get((told.by, told.name), 'nowhere')}"


def _check_heads(found: Found) -> Iterable[str]:
    links: dict[int, bytes] = {}
    link = GENESIS
    newest: Counter[str] = Counter()
    for entry in found.entries:
        link = links[entry.seq] = link_of(link, CHANNEL, entry.seq, entry.time_ms, entry.draft)
        if entry.draft.kind is not EntryKind.SIGNED_HEAD:
            continue
        head = msgspec.json.decode(entry.draft.data)
        what = f"{entry.seq}, by {entry.draft.sender},"
        if head["seq"] >= entry.seq or links[head["seq"]].hex() != head["link"]:
            yield f"R2 {what} signs what the log doesn't hold"
        if not _is_its_sides(head, entry.draft.delegation, found.keys):
            yield f"R2 {what} is no signature of its side"
        if head["seq"] <= newest[head["fingerprint"]]:
            yield f"R3 {what} signs {head['seq']} behind {newest[head['fingerprint']]}"
        newest[head["fingerprint"]] = max(newest[head["fingerprint"]], head["seq"])


def _is_its_sides(head: dict[str, Any], side: DelegationId, keys: Mapping[str, SideSigner]) -> bool:
    signer = keys.get(head["fingerprint"])
    if signer is None or signer.side != side:
        return False
    statement = HeadStatement(
        office=OFFICE,
        channel=GENERAL,
        epoch=head["epoch"],
        seq=head["seq"],
        link=bytes.fromhex(head["link"]),
        time_ms=head["time_ms"],
        delegation=side,
        fingerprint=head["fingerprint"],
    )
    try:
        key = Ed25519PublicKey.from_public_bytes(b64decode(signer.public_key))
        key.verify(b64decode(head["signature"]), statement.to_bytes())
    except InvalidSignature:
        return False
    return True
