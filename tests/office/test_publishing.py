"""Batches, the three outcomes of an append, and what each does to those who wait behind it."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress

from liaison.adapters.memory_bus import MemoryBus
from liaison.core.identifiers import ChannelId
from liaison.office.hub import Hub, Hubs
from liaison.office.publishing import GATHERING_TURNS, Published, Publisher, Submission
from liaison.ports.log import LogFullError, LogUnavailableError, UnknownOutcomeError
from liaison.protocol.errors import ErrorCode, LiaisonError
from liaison.protocol.limits import MAX_BATCH_BYTES, MAX_BATCH_MESSAGES
from tests.office.doubles import CHANNEL, ListLog, Tasks, draft, nothing_to_prepare
from tests.simulation.silence import SilentObserver
from tests.virtual_time import World, run


class Sender:
    """Somebody who submits, and hears what became of it."""

    def __init__(self, desk: "Desk", name: str) -> None:
        self._desk = desk
        self.name = name
        self.done: list[tuple[int, Published]] = []
        self.failed: list[tuple[int, ErrorCode]] = []
        self.ended = 0

    def outcome_unknown(self) -> None:
        self.ended += 1

    def submit(self, number: int, *, text: str = "", channel: ChannelId = CHANNEL) -> None:
        def done(published: Published) -> None:
            self.done.append((number, published))

        def failed(error: LiaisonError) -> None:
            self.failed.append((number, error.code))

        self._desk.publisher.submit(channel, Submission(self, draft(number, self.name, text), 0.0, done, failed))

    @property
    def seqs(self) -> list[int]:
        return [published.seq for _, published in self.done]


class Desk:
    """A publisher over a log in memory."""

    def __init__(self, world: World, group: asyncio.TaskGroup, log: ListLog | None = None) -> None:
        self.log = log or ListLog()
        self.tasks = Tasks(group)
        bus = MemoryBus().node()
        observer = SilentObserver()

        def make_hub(channel: ChannelId) -> Hub:
            return Hub(channel, self.log, world.clock, observer, self.tasks)

        hubs = Hubs(
            log=self.log,
            bus=bus,
            rng=random.Random(1),
            make_hub=make_hub,
            prepare=nothing_to_prepare,
            poll_interval_s=1,
        )
        self.publisher = Publisher(
            log=self.log, bus=bus, hubs=hubs, clock=world.clock, spawn=self.tasks, observer=observer
        )


def at_desk(scenario: Callable[[Desk], Awaitable[None]]) -> None:
    async def scene(world: World) -> None:
        async with asyncio.TaskGroup() as group:
            await scenario(Desk(world, group))

    run(1, scene)


def test_what_queues_during_an_append_is_the_next_batch_in_order() -> None:
    async def scenario(desk: Desk) -> None:
        desk.log.gate.clear()
        sender = Sender(desk, "south-1")
        sender.submit(1)
        await desk.log.append_began.wait()
        for number in (2, 3, 4):
            sender.submit(number)
        assert desk.log.batches == [["k1"]]
        desk.log.gate.set()
        await desk.publisher.drained()
        assert desk.log.batches == [["k1"], ["k2", "k3", "k4"]]
        assert sender.seqs == [1, 2, 3, 4]

    at_desk(scenario)


def test_a_burst_that_comes_in_over_some_turns_of_the_loop_is_one_batch() -> None:
    async def scenario(desk: Desk) -> None:
        sender = Sender(desk, "south-1")
        for number in range(5):
            sender.submit(number)
            await asyncio.sleep(0)
        await desk.publisher.drained()
        assert [len(batch) for batch in desk.log.batches] == [5]

    at_desk(scenario)


def test_nobody_waits_for_a_burst_that_does_not_end() -> None:
    async def scenario(desk: Desk) -> None:
        sender = Sender(desk, "south-1")
        for number in range(3 * GATHERING_TURNS):
            sender.submit(number)
            await asyncio.sleep(0)
            if desk.log.batches:
                break
        assert GATHERING_TURNS - 1 <= number <= GATHERING_TURNS + 1
        await desk.publisher.drained()

    at_desk(scenario)


def test_a_batch_holds_no_more_messages_than_its_limit() -> None:
    async def scenario(desk: Desk) -> None:
        senders = [Sender(desk, "south-1"), Sender(desk, "north-1")]
        for number in range(2 * MAX_BATCH_MESSAGES + 1):
            senders[number % 2].submit(number)
        await desk.publisher.drained()
        assert [len(batch) for batch in desk.log.batches] == [MAX_BATCH_MESSAGES, MAX_BATCH_MESSAGES, 1]

    at_desk(scenario)


def test_a_batch_holds_no_more_bytes_than_its_limit_but_always_one_message() -> None:
    async def scenario(desk: Desk) -> None:
        sender = Sender(desk, "south-1")
        half = "x" * (MAX_BATCH_BYTES // 6)
        sender.submit(1, text="x" * MAX_BATCH_BYTES)
        for number in (2, 3, 4):
            sender.submit(number, text=half)
        await desk.publisher.drained()
        assert desk.log.batches == [["k1"], ["k2"], ["k3"], ["k4"]]

    at_desk(scenario)


def test_a_repeat_is_answered_with_the_first_result_and_told_apart() -> None:
    async def scenario(desk: Desk) -> None:
        sender = Sender(desk, "south-1")
        sender.submit(1)
        await desk.publisher.drained()
        sender.submit(1)
        await desk.publisher.drained()
        [(_, first), (_, again)] = sender.done
        assert (first.seq, first.duplicate) == (1, False)
        assert (again.seq, again.time_ms, again.duplicate) == (1, first.time_ms, True)

    at_desk(scenario)


def test_an_unknown_outcome_ends_its_senders_once_and_takes_what_they_queued_behind_it_but_nobody_elses() -> None:
    async def scenario(desk: Desk) -> None:
        desk.log.gate.clear()
        desk.log.failures.append(UnknownOutcomeError())
        concerned, bystander = Sender(desk, "south-1"), Sender(desk, "north-1")
        concerned.submit(1)
        concerned.submit(2)
        await desk.log.append_began.wait()
        concerned.submit(3)
        bystander.submit(1)
        desk.log.gate.set()
        await desk.publisher.drained()
        assert concerned.failed == [(number, ErrorCode.UNKNOWN_OUTCOME) for number in (1, 2, 3)]
        assert concerned.ended == 1
        assert (bystander.seqs, bystander.failed, bystander.ended) == ([1], [], 0)
        # Number 3 was never tried: it would have overtaken what its sender will send again.
        assert desk.log.batches == [["k1", "k2"], ["k1"]]

    at_desk(scenario)


def test_a_refusal_takes_along_what_its_senders_queued_behind_it_and_ends_nobody() -> None:
    async def scenario(desk: Desk) -> None:
        desk.log.gate.clear()
        desk.log.failures.append(LogUnavailableError())
        concerned, bystander = Sender(desk, "south-1"), Sender(desk, "north-1")
        concerned.submit(1)
        await desk.log.append_began.wait()
        concerned.submit(2)
        bystander.submit(1)
        desk.log.gate.set()
        await desk.publisher.drained()
        assert concerned.failed == [(1, ErrorCode.UNAVAILABLE), (2, ErrorCode.UNAVAILABLE)]
        assert concerned.ended == 0
        assert bystander.seqs == [1]

    at_desk(scenario)


def test_a_full_disk_is_told_as_such() -> None:
    async def scenario(desk: Desk) -> None:
        desk.log.failures.append(LogFullError())
        sender = Sender(desk, "south-1")
        sender.submit(1)
        await desk.publisher.drained()
        assert sender.failed == [(1, ErrorCode.STORAGE_FULL)]
        sender.submit(1)
        await desk.publisher.drained()
        assert sender.seqs == [1]

    at_desk(scenario)


def test_a_writer_that_is_cancelled_in_the_middle_of_an_append_leaves_nobody_believing_it_is_known() -> None:
    async def scenario(desk: Desk) -> None:
        desk.log.gate.clear()
        sender, other = Sender(desk, "south-1"), Sender(desk, "north-1")
        sender.submit(1)
        await desk.log.append_began.wait()
        other.submit(1)
        [writer] = desk.tasks.started
        writer.cancel()
        with suppress(asyncio.CancelledError):
            await writer
        assert sender.failed == other.failed == [(1, ErrorCode.UNKNOWN_OUTCOME)]
        assert (sender.ended, other.ended) == (1, 1)
        # And the channel isn't stuck.
        desk.log.gate.set()
        sender.submit(1)
        await desk.publisher.drained()
        assert sender.seqs == [1]

    at_desk(scenario)


def test_one_channel_that_waits_for_its_append_keeps_no_other_waiting() -> None:
    async def scenario(desk: Desk) -> None:
        elsewhere = ChannelId("south/general")
        desk.log.gate.clear()
        sender = Sender(desk, "south-1")
        sender.submit(1)
        await desk.log.append_began.wait()
        desk.log.append_began.clear()
        sender.submit(2, channel=elsewhere)
        await desk.log.append_began.wait()
        assert desk.log.batches == [["k1"], ["k2"]]
        desk.log.gate.set()
        await desk.publisher.drained()

    at_desk(scenario)


def test_draining_waits_for_what_is_queued_and_in_flight() -> None:
    async def scenario(desk: Desk) -> None:
        await desk.publisher.drained()
        desk.log.gate.clear()
        sender = Sender(desk, "south-1")
        sender.submit(1)
        drained = asyncio.ensure_future(desk.publisher.drained())
        await asyncio.sleep(10)
        assert not drained.done()
        desk.log.gate.set()
        await drained
        assert sender.seqs == [1]

    at_desk(scenario)
