"""Publishing: one append in flight for each channel; of what queues meanwhile the next batch is taken in turn.

An acknowledgement means that the log has committed. There are three outcomes, never two: committed, definitely not,
unknown. Unknown is never guessed: the sender's connection ends and the client replays its outbox with the same keys,
which also keeps each sender's messages in order.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from liaison.core.entries import Conflicting, Draft, Held, Repeated, Stored
from liaison.core.identifiers import ChannelId
from liaison.office.fair_queue import FairQueue
from liaison.office.hub import Hubs
from liaison.office.tasks import Spawn
from liaison.ports.bus import Bus, EntriesHint
from liaison.ports.clock import Clock
from liaison.ports.log import Appended, Log, LogFullError, LogUnavailableError, UnknownOutcomeError
from liaison.ports.observer import Observer
from liaison.protocol.errors import ErrorCode, LiaisonError, Refused, Unavailable
from liaison.protocol.limits import MAX_BATCH_BYTES, MAX_BATCH_MESSAGES, MAX_PUBLISHES_QUEUED

_journal = structlog.get_logger(__name__)

# A burst that takes longer to come in is no burst; a turn in which a node reads from many takes a millisecond or two.
GATHERING_TURNS: Final = 8
# While more than a batch waits and nearly all of it is one side's. A commit of a hundred takes 4 to 10 ms, for which
# the other side's next message would wait, and then for its own; one of sixteen takes 1 to 2, and costs the flood a
# fifth of its pace.
FLOOD_BATCH_MESSAGES: Final = 16
# A flood that leaves nothing idle is felt by the other side whatever the order. So while the other side speaks, one
# rests after each batch for as many times as long as that batch took; what comes meanwhile ends the rest.
FLOOD_RESTS: Final = 2
# For so long after its last message the other side counts as speaking.
SPEAKING_S: Final = 1.0


class Origin(Protocol):
    """Whoever submits: a session, or one HTTP request."""

    def outcome_unknown(self) -> None:
        """Nobody knows what became of a submission of yours: end, so that the client replays."""
        ...


@dataclass(frozen=True, slots=True)
class Published:
    """Where a message stands, now or since an earlier try with the same key; `held` ones have seq 0."""

    epoch: int
    seq: int
    time_ms: int
    duplicate: bool
    held: bool = False


@dataclass(frozen=True, slots=True)
class Submission:
    """A draft on its way. Exactly one of `done` and `failed` is called, once; neither may raise.

    `arrived_s` is the loop's time when the command came. `check`, if any, is awaited when it is the draft's turn, so
    that it loses no place; what it raises is its refusal.
    """

    origin: Origin
    draft: Draft
    arrived_s: float
    done: Callable[[Published], None]
    failed: Callable[[LiaisonError], None]
    check: Callable[[], Awaitable[None]] | None = None


class Publisher:
    """All channels' queues at this node."""

    def __init__(self, *, log: Log, bus: Bus, hubs: Hubs, clock: Clock, spawn: Spawn, observer: Observer) -> None:
        self._log = log
        self._bus = bus
        self._hubs = hubs
        self._clock = clock
        self._spawn = spawn
        self._observer = observer
        self._queues: dict[ChannelId, FairQueue[Submission]] = {}
        self._idle = asyncio.Event()
        self._idle.set()

    def submit(self, channel: ChannelId, submission: Submission) -> None:
        """Put a draft in its channel's queue; for each user, order of calls is order on the log.

        With too many of the same user waiting it fails as BUSY at once.
        """
        queue = self._queues.get(channel)
        if queue is None:
            queue = self._queues[channel] = FairQueue()
            self._idle.clear()
            self._spawn(self._write(channel, queue), f"publish {channel}")
        draft = submission.draft
        if queue.waiting_of(draft.delegation, draft.sender) >= MAX_PUBLISHES_QUEUED:
            submission.failed(Unavailable("too many of your messages wait to be written", ErrorCode.BUSY))
            return
        queue.append(submission)

    async def drained(self) -> None:
        """Wait until nothing is queued or in flight."""
        await self._idle.wait()

    async def _write(self, channel: ChannelId, queue: FairQueue[Submission]) -> None:
        batch: list[Submission] = []
        loop = asyncio.get_running_loop()
        took_s, both_spoke_s = 0.0, -SPEAKING_S
        try:
            await _gathered(queue)
            while queue:
                most = MAX_BATCH_MESSAGES
                if _is_flood(queue):
                    if loop.time() < both_spoke_s + SPEAKING_S:
                        await queue.give_way(FLOOD_RESTS * took_s)
                    # Of each side as many: the fewer, the sooner it is committed.
                    most = 2 * queue.beside_most or FLOOD_BATCH_MESSAGES
                batch = queue.take(most=most, most_bytes=MAX_BATCH_BYTES)
                began_s = loop.time()
                if any(item.draft.delegation != batch[0].draft.delegation for item in batch):
                    both_spoke_s = began_s
                await self._append(channel, batch, queue)
                took_s = loop.time() - began_s
                batch = []
        finally:
            del self._queues[channel]
            if not self._queues:
                self._idle.set()
            # Cancelled, or a bug: the batch may be on the log, and what queued behind it must not overtake it.
            if batch or queue:
                self._end_unknown([*batch, *queue.take_all()])

    async def _append(self, channel: ChannelId, batch: list[Submission], queue: FairQueue[Submission]) -> None:
        await self._drop_refused(batch)
        if not batch:
            return
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        try:
            appended = await self._log.append(channel, [item.draft for item in batch], self._clock.wall_ms())
        except UnknownOutcomeError:
            self._observer.append_finished(len(batch), (loop.time() - began_s) * 1000, "unknown")
            _journal.error("append with unknown outcome", channel=channel, messages=len(batch))
            self._end_unknown([*batch, *_take_later(queue, batch)])
        except LogUnavailableError as error:
            self._observer.append_finished(len(batch), (loop.time() - began_s) * 1000, "refused")
            refusal = _refusal(error)
            for item in [*batch, *_take_later(queue, batch)]:
                item.failed(refusal)
        else:
            self._observer.append_finished(len(batch), (loop.time() - began_s) * 1000, "committed")
            self._finish(channel, batch, appended)

    @staticmethod
    async def _drop_refused(batch: list[Submission]) -> None:
        """Take out of the batch what its own check refuses."""
        for item in [item for item in batch if item.check is not None]:
            assert item.check is not None
            try:
                await item.check()
            except LiaisonError as error:
                batch.remove(item)
                item.failed(error)

    def _finish(self, channel: ChannelId, batch: list[Submission], appended: Appended) -> None:
        now_s = asyncio.get_running_loop().time()
        fresh = []
        for item, outcome in zip(batch, appended.outcomes, strict=True):
            match outcome:
                case Stored(entry):
                    fresh.append(entry)
                    item.done(Published(appended.epoch, entry.seq, entry.time_ms, duplicate=False))
                    self._observer.acknowledged(item.draft.delegation, (now_s - item.arrived_s) * 1000)
                case Repeated(seq, time_ms):
                    item.done(Published(appended.epoch, seq, time_ms, duplicate=True))
                case Held(time_ms=time_ms):
                    item.done(Published(appended.epoch, 0, time_ms, duplicate=False, held=True))
                case Conflicting():
                    item.failed(Refused(ErrorCode.CONFLICT, "this key was used for another message"))
        if fresh:
            entries = tuple(fresh)
            hub = self._hubs.get(channel)
            if hub is not None:
                hub.on_entries(appended.epoch, entries)
            self._bus.publish(EntriesHint(channel, appended.epoch, entries))
            by_side = {entry.draft.delegation for entry in entries}
            for side in by_side:
                self._observer.published(side, sum(entry.draft.delegation == side for entry in entries))

    @staticmethod
    def _end_unknown(items: list[Submission]) -> None:
        error = LiaisonError(
            ErrorCode.UNKNOWN_OUTCOME, "it is not known whether this was stored; repeat it with its key"
        )
        for item in items:
            item.failed(error)
        for origin in {id(item.origin): item.origin for item in items}.values():
            origin.outcome_unknown()


async def _gathered(queue: FairQueue[Submission]) -> None:
    """Wait while each turn of the loop brings more: what comes as a burst is to be one commit.

    The first of a hundred would otherwise be committed alone, and each reader be written to twice for one burst. A
    message that comes alone waits one turn more, some microseconds.
    """
    gathered = 0
    for _ in range(GATHERING_TURNS):
        # The queue is filled right after the task was made that waits here.
        await asyncio.sleep(0)
        if len(queue) == gathered or len(queue) >= MAX_BATCH_MESSAGES:
            return
        gathered = len(queue)


def _is_flood(queue: FairQueue[Submission]) -> bool:
    """One side with more waiting than a batch takes, beside which all that the other has finds room in a short one."""
    return len(queue) > MAX_BATCH_MESSAGES and queue.beside_most <= FLOOD_BATCH_MESSAGES // 2


def _take_later(queue: FairQueue[Submission], batch: list[Submission]) -> list[Submission]:
    """Take what the batch's senders queued behind it: it must not overtake what they will send again."""
    origins = {id(item.origin) for item in batch}
    return queue.take_all(lambda item: id(item.origin) in origins)


def _refusal(error: LogUnavailableError) -> LiaisonError:
    if isinstance(error, LogFullError):
        return Unavailable(
            "the office's storage is full; nothing was stored", ErrorCode.STORAGE_FULL, retry_after_ms=5000
        )
    return Unavailable("the log can't be written now; nothing was stored")
