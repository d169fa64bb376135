"""One run: clients talk, faults strike, everything heals, and the history is written to its end for the checker."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from itertools import cycle, product
from pathlib import Path
from typing import Final

from liaison.core.identifiers import OFFICE
from tests.torture.check import Verdict, check, report
from tests.torture.faults import Nemesis
from tests.torture.history_file import HistoryFile, RecordedHistory
from tests.torture.roaming_client import Latencies, RoamingClient
from tests.torture.site import Site

CALM_S: Final = 5.0
# After healing everything must be level and true within so long.
HEAL_S: Final = 20.0
_BEAT_S: Final = 0.02
_LIFE_CHECK_S: Final = 0.25
# A fifth of the outboxes is asked for in each look, so that waiting costs nothing.
_LOOK_S: Final = 0.05


@dataclass(frozen=True)
class Plan:
    """What a run does; the same plan strikes with the same faults in the same order, at moments of its own."""

    seconds: float = 60.0
    seed: int = 1
    messages_per_s: float = 300.0
    clients: int = 18
    channels: int = 6


@dataclass
class Outcome:
    """What came of it; `journals` is what the nodes wrote."""

    verdict: Verdict
    calm: Latencies
    storm: Latencies
    head: int
    errors: Counter[str]
    journals: str


async def torture(plan: Plan, whole_site: Site, history_path: Path) -> Outcome:
    """Run a plan on a site that is well, leave it well, and leave the history in a file."""
    rng = random.Random(plan.seed)
    with HistoryFile(history_path) as history:
        history.note(time.monotonic(), "run", **vars(plan))
        channels = [f"joint/line-{number}" for number in range(plan.channels)]
        clients = await asyncio.to_thread(make_clients, whole_site, history, plan.clients, channels)
        heads = await asyncio.to_thread(whole_site.heads)
        calm, storm = Latencies.none(), Latencies.none()
        errors: Counter[str] = Counter()
        async with living(clients):
            async with talking(clients, plan.messages_per_s):
                _measure(clients, calm)
                await asyncio.sleep(CALM_S)
                _measure(clients, storm)
                await Nemesis(whole_site, clients, heads, history, rng).strike(plan.seconds)
            head = await finish(whole_site, clients, history)
        for client in clients:
            errors += client.errors
        journals = whole_site.journals()
    verdict = await asyncio.to_thread(check, RecordedHistory(history_path))
    return Outcome(verdict, calm, storm, head, errors, journals)


async def finish(whole_site: Site, clients: Sequence[RoamingClient], history: HistoryFile) -> int:
    """Let everything become level, and write down how it stands and the whole log; give its count of messages."""
    await _heal(clients, history, whole_site)
    channels = sorted({channel for client in clients for channel in client.channels})
    rows = await asyncio.to_thread(whole_site.rows, channels)
    for row in rows:
        history.note(time.monotonic(), "row", **asdict(row))
    _note_final(clients, history)
    for client in clients:
        for complaint in client.complaints:
            history.note(time.monotonic(), "complaint", client=client.user, text=complaint)
    history.flush()
    return sum(row.sender != OFFICE for row in rows)


def make_clients(
    whole_site: Site, history: HistoryFile, number: int, channels: Sequence[str], prefix: str = "bot"
) -> list[RoamingClient]:
    """Give clients who follow two neighbouring channels each; every third reaches its nodes through the back doors."""
    tokens = whole_site.tokens([f"{prefix}-{count}" for count in range(number)], channels)
    front = [node.door for node in whole_site.nodes]
    back = [node.proxied_door for node in whole_site.nodes]
    return [
        RoamingClient(
            user,
            token,
            back if count % 3 == 0 else front,
            [channels[count % len(channels)], channels[(count + 1) % len(channels)]][: len(channels)],
            history,
        )
        for count, (user, token) in enumerate(tokens.items())
    ]


@asynccontextmanager
async def living(clients: Sequence[RoamingClient], timeout_s: float = 30) -> AsyncIterator[None]:
    """Let clients live, and wait until all are connected and see each other."""

    async def look_after() -> None:
        while True:
            await asyncio.sleep(_LIFE_CHECK_S)
            for client in clients:
                client.listen_for_life(time.monotonic())

    async with asyncio.TaskGroup() as tasks:
        lives = [tasks.create_task(client.run()) for client in clients]
        lives.append(tasks.create_task(look_after()))
        try:
            users = {client.user for client in clients if not client.is_ops}
            try:
                await until(lambda: all(users <= client.online.keys() for client in clients), timeout_s, "all see all")
            except AssertionError as error:
                for client in clients:
                    error.add_note(f"{client.user} sees {sorted(client.online)} {client.complaints} {client.errors}")
                raise
            yield
        finally:
            for life in lives:
                life.cancel()


@asynccontextmanager
async def talking(clients: Sequence[RoamingClient], messages_per_s: float) -> AsyncIterator[None]:
    """Let clients write in turn, so many together, whether or not they are connected."""

    async def talk() -> None:
        began_s = time.monotonic()
        turns = cycle(
            [(client, channel) for place, client in product((0, -1), clients) for channel in [client.channels[place]]]
        )
        for said, (client, channel) in enumerate(turns):
            due_s = began_s + said / messages_per_s
            if due_s - time.monotonic() > _BEAT_S / 2:
                await asyncio.sleep(_BEAT_S)
            client.say(channel)

    async with asyncio.TaskGroup() as tasks:
        talk_task = tasks.create_task(talk())
        try:
            yield
        finally:
            talk_task.cancel()


async def until(claim: Callable[[], bool], timeout_s: float, what: str) -> float:
    """Wait for something that several clients bring about together; give how long it took, in seconds."""
    began_s = time.monotonic()
    while not claim():
        if time.monotonic() - began_s > timeout_s:
            raise AssertionError(f"not within {timeout_s} s: {what}")
        await asyncio.sleep(0.01)
    return time.monotonic() - began_s


def all_level(clients: Sequence[RoamingClient]) -> bool:
    """Claim that every outbox is empty, nothing is held, and all readers of a channel are at one place."""
    if any(client.outbox or client.held or not client.connected.is_set() for client in clients):
        return False
    places = {(channel, cursor) for client in clients for channel, cursor in client.cursors.items()}
    return len(places) == len({channel for channel, _ in places})


def percentile(values: Sequence[float], share: float) -> float:
    """Give the value that this share of them doesn't exceed; 0 of none."""
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))], 1) if ordered else 0.0


async def _heal(clients: Sequence[RoamingClient], history: HistoryFile, whole_site: Site) -> None:
    began_s = time.monotonic()
    users = {client.user for client in clients}
    while time.monotonic() - began_s < HEAL_S:
        is_true = all(not client.is_stale and _seen_by(client) == users for client in clients)
        if all_level(clients) and is_true and time.monotonic() - began_s > HEAL_S / 2:
            break
        await asyncio.sleep(_LOOK_S)
    history.note(time.monotonic(), "healed", took_s=round(time.monotonic() - began_s, 3))
    for node in whole_site.nodes:
        if not node.server.is_running:
            history.note(time.monotonic(), "died", node=node.name)


def _seen_by(client: RoamingClient) -> set[str]:
    return {user for user, connectivity in client.online.items() if connectivity == "online"}


def _note_final(clients: Sequence[RoamingClient], history: HistoryFile) -> None:
    history.note(
        time.monotonic(),
        "final",
        cursors={client.user: client.cursors for client in clients},
        outboxes={client.user: len(client.outbox) for client in clients},
        held={client.user: len(client.held) for client in clients},
        online=sorted(client.user for client in clients),
        shown_online={client.user: sorted(_seen_by(client)) if not client.is_stale else [] for client in clients},
    )


def _measure(clients: Sequence[RoamingClient], latencies: Latencies) -> None:
    for client in clients:
        client.latencies = latencies


def describe(outcome: Outcome, history_path: Path) -> str:
    """Give what a person wants to read of a run."""
    lines = [report(outcome.verdict, RecordedHistory(history_path))]
    if outcome.errors:
        lines.append("what clients were told: " + ", ".join(f"{name} {n}" for name, n in outcome.errors.most_common()))
    errors = [line for line in outcome.journals.splitlines() if '"level": "error"' in line or "Traceback" in line]
    lines.append(f"errors in the journals of the nodes: {len(errors)}")
    lines += [f"  {line[:600]}" for line in errors[:5]]
    return "\n".join(lines)


def figures(outcome: Outcome) -> dict[str, float]:
    """Give the counts and the percentiles, in milliseconds."""
    calm, storm = outcome.calm, outcome.storm
    return {
        **outcome.verdict.summary(),
        "calm_ack_p99_ms": percentile(calm.acked, 0.99),
        "calm_seen_p99_ms": percentile(calm.seen, 0.99),
        "storm_ack_p50_ms": percentile(storm.acked, 0.5),
        "storm_ack_p99_ms": percentile(storm.acked, 0.99),
        "storm_seen_p99_ms": percentile(storm.seen, 0.99),
    }
