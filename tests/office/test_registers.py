"""What a register makes of a log that can't be."""

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import pytest

from liaison.core.entries import Draft, Entry, EntryKind, Page
from liaison.core.identifiers import ChannelId, DelegationId, Millis, UserId
from liaison.office.registers import Means, Register
from liaison.ports.log import LogUnreadableError

CHANNEL = ChannelId("joint/administration")


class Pages:
    """A log's reads: of these seqs, with this head."""

    def __init__(self, seqs: Sequence[int], head: int) -> None:
        draft = Draft(UserId("office"), DelegationId(""), "k", EntryKind.TEXT, "")
        self._entries = [Entry(CHANNEL, seq, Millis(0), bytes(32), draft) for seq in seqs]
        self._head = head

    async def read(self, _channel: ChannelId, *, after: int, limit: int, max_bytes: int) -> Page:
        assert limit > 0
        assert max_bytes > 0
        return Page(1, self._head, tuple(entry for entry in self._entries if entry.seq > after))


def read_by(pages: Pages) -> tuple[int, ...]:
    nothing: Any = None
    register = Register[tuple[int, ...]](
        CHANNEL, (), lambda seqs, entry: (*seqs, entry.seq), Means(cast(Any, pages), nothing, nothing, nothing)
    )
    return asyncio.run(asyncio.wait_for(register.current(), 1))


def test_a_register_is_read_to_its_head() -> None:
    assert read_by(Pages([1, 2, 3], 3)) == (1, 2, 3)


@pytest.mark.parametrize(("seqs", "head"), [([2, 3], 3), ([1, 3], 3), ([1, 2], 3)], ids=["first", "between", "last"])
def test_a_register_with_a_gap_is_refused_and_not_read_forever(seqs: Sequence[int], head: int) -> None:
    with pytest.raises(LogUnreadableError, match="has no entry"):
        read_by(Pages(seqs, head))
