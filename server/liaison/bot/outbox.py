"""What the bot wants on the record and has no answer for yet: kept over reconnects, sent again with the same keys."""

import asyncio
from collections import deque
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import Any, Final

from liaison.bot.messages import Published

# After a restore from backup the server asks for what it acknowledged lately. A backup drill takes minutes.
REMEMBER_S: Final = 600.0
REMEMBER_MESSAGES: Final = 256


class Stage(Enum):
    """Where an item stands: not sent on this connection, sent, or refused for the moment."""

    QUEUED = auto()
    SENT = auto()
    RESTING = auto()


@dataclass(slots=True, eq=False)
class Item:
    """One keyed command. `epoch` is the channel's when it was made, 0 for unknown; without `result` nobody waits."""

    command: str
    channel: str
    fields: dict[str, Any]
    epoch: int
    result: asyncio.Future[Published] | None = None
    stage: Stage = Stage.QUEUED
    refusals: int = 0


@dataclass(slots=True)
class _Lane:
    waiting: deque[Item] = field(default_factory=deque)
    acknowledged: deque[tuple[float, Item]] = field(default_factory=lambda: deque(maxlen=REMEMBER_MESSAGES))


class Outbox:
    """One lane per channel with one item under way: a temporary refusal can't let a later message overtake.

    That costs nothing, because a round trip takes less time than the server's rate limit lets pass between commands.
    """

    def __init__(self) -> None:
        self._lanes: dict[str, _Lane] = {}

    def add(self, item: Item) -> None:
        self._lane(item.channel).waiting.append(item)

    def take_ready(self) -> list[Item]:
        """Give the items that may be sent now, and count them as sent."""
        heads = [lane.waiting[0] for lane in self._lanes.values() if lane.waiting]
        ready = [item for item in heads if item.stage is Stage.QUEUED]
        for item in ready:
            item.stage = Stage.SENT
        return ready

    def rewind(self) -> None:
        """The connection is gone: what was sent and not answered is to be sent again."""
        for lane in self._lanes.values():
            if lane.waiting and lane.waiting[0].stage is Stage.SENT:
                lane.waiting[0].stage = Stage.QUEUED

    def remove(self, item: Item) -> None:
        """Forget an item; a no-op for one that isn't there."""
        waiting = self._lane(item.channel).waiting
        if item in waiting:
            waiting.remove(item)

    def remember(self, item: Item, now_s: float) -> None:
        """Keep an acknowledged item for a while, in case the server is restored to a time before it."""
        acknowledged = self._lane(item.channel).acknowledged
        acknowledged.append((now_s, item))
        while acknowledged[0][0] < now_s - REMEMBER_S:
            acknowledged.popleft()

    def start_epoch(self, channel: str, epoch: int, now_s: float) -> list[Item]:
        """The channel was restored from a backup: queue again what was acknowledged lately, before what waits.

        Gives the waiting items that are void now, already taken out: they are about a message by its seq, and that seq
        may belong to another message in the new epoch. For the same reason a message offered again loses its reference.
        """
        lane = self._lane(channel)
        lost = [item for at, item in lane.acknowledged if at >= now_s - REMEMBER_S and item.epoch < epoch]
        again = [
            replace(item, fields=_without_reference(item.fields), epoch=epoch, result=None, stage=Stage.QUEUED)
            for item in lost
            if item.command == "publish"
        ]
        lane.acknowledged.clear()
        void = [item for item in lane.waiting if item.command != "publish" and 0 < item.epoch < epoch]
        kept = [item for item in lane.waiting if item not in void]
        # An item under way keeps its place at the head; its answer is still to come.
        under_way = [item for item in kept[:1] if item.stage is not Stage.QUEUED]
        lane.waiting = deque([*under_way, *again, *kept[len(under_way) :]])
        return void

    def clear(self) -> list[Item]:
        """Take everything out that has no answer, and give it."""
        items = [item for lane in self._lanes.values() for item in lane.waiting]
        self._lanes.clear()
        return items

    def _lane(self, channel: str) -> _Lane:
        return self._lanes.setdefault(channel, _Lane())


def _without_reference(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name != "reply_to"}
