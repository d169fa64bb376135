"""What the office does for everybody at once: typing, read positions, direct channels, revocation, draining."""

import asyncio
from typing import Any

import pytest

from liaison.core.identifiers import ChannelId, UserId
from liaison.core.position import Position
from liaison.office.settings import OfficeSettings
from liaison.ports.log import LogUnavailableError
from liaison.protocol import frames
from liaison.protocol.errors import ErrorCode, LiaisonError
from tests.office.doubles import Wire
from tests.office.whole_office import Seat, WholeOffice, in_office, secret_of

GENERAL = ChannelId("joint/general")
SIDES = ("south", "north")


class ByteWire(Wire):
    """A connection of an event stream, whose frames are text."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""

    def send(self, frames: bytes) -> None:
        self.sent += frames


async def _everybody(whole: WholeOffice) -> dict[str, Seat]:
    return {user: await whole.connect(user) for user in ("south-1", "south-2", "north-1", "north-2")}


def _said(number: int, channel: str = "joint/general") -> dict[str, Any]:
    return {"channel": channel, "key": f"k{number}", "text": f"line {number}"}


@pytest.mark.parametrize("side", SIDES)
def test_typing_is_shown_to_the_others_of_the_own_side_and_to_nobody_else(side: str) -> None:
    async def scenario(whole: WholeOffice) -> None:
        seats = await _everybody(whole)
        await seats[f"{side}-1"].ask("typing", channel="joint/general")
        shown = {user: seat.wire.of("typing") for user, seat in seats.items()}
        push = {"type": "typing", "channel": "joint/general", "user": f"{side}-1"}
        assert shown.pop(f"{side}-2") == [push]
        assert not any(shown.values())

    in_office(scenario)


@pytest.mark.parametrize("side", SIDES)
def test_the_own_side_sees_who_has_read_and_the_other_only_how_far_the_side_has(side: str) -> None:
    async def scenario(whole: WholeOffice) -> None:
        seats = await _everybody(whole)
        across = seats["north-1" if side == "south" else "south-1"]
        await across.ask("subscribe", channel="joint/general")
        for number in (1, 2, 3):
            await across.ask("publish", **_said(number))
        await seats[f"{side}-1"].ask("read", channel="joint/general", seq=2)
        await seats[f"{side}-2"].ask("read", channel="joint/general", seq=1)
        own = seats[f"{side}-2"].wire.of("read")
        assert [(push["user"], push["seq"]) for push in own] == [(f"{side}-1", 2), (f"{side}-2", 1)]
        # The second one is behind what the side has read already.
        assert across.wire.of("read") == [{"type": "read", "channel": "joint/general", "delegation": side, "seq": 2}]

    in_office(scenario)


@pytest.mark.parametrize(("side", "other"), [SIDES, SIDES[::-1]])
def test_whoever_follows_a_channel_is_told_how_far_people_had_read_before_this_node_ran(side: str, other: str) -> None:
    async def scenario(whole: WholeOffice) -> None:
        whole.log.fill(9)
        await whole.office.accounts.set_member("joint/general", f"{other}-bot", can_write=True, by="test")
        stood = {f"{side}-2": 3, f"{other}-1": 4, f"{other}-2": 2, f"{other}-bot": 8, "gone": 9}
        for user, seq in stood.items():
            await whole.office.reads.move(UserId(user), ChannelId("joint/general"), seq)
        seat = await whole.connect(f"{side}-1")
        told = await seat.ask("subscribe", channel="joint/general")
        assert (told["reads"], told["side_reads"]) == ({f"{side}-2": 3}, {other: 4})
        # What is known now is told to the next one without a look at the store.
        await seat.ask("read", channel="joint/general", seq=7)
        later = await (await whole.connect(f"{side}-2")).ask("subscribe", channel="joint/general")
        assert later["reads"] == {f"{side}-1": 7, f"{side}-2": 3}

    in_office(scenario)


def test_a_read_position_never_goes_back_nor_beyond_the_head() -> None:
    async def scenario(whole: WholeOffice) -> None:
        whole.log.fill(5)
        seat = await whole.connect("south-1")
        for seq, stands_at in ((3, 3), (1, 3), (99, 5)):
            await seat.ask("read", channel="joint/general", seq=seq)
            channels = (await seat.ask("channels"))["channels"]
            assert [row["read_seq"] for row in channels if row["channel"] == "joint/general"] == [stands_at]

    in_office(scenario)


def test_what_a_bot_has_read_says_nothing_of_its_side() -> None:
    async def scenario(whole: WholeOffice) -> None:
        whole.log.fill(5)
        await whole.office.accounts.set_member("joint/general", "south-bot", can_write=True, by="test")
        across = await whole.connect("north-1")
        await across.ask("subscribe", channel="joint/general")
        bot = await whole.connect("south-bot")
        await bot.ask("read", channel="joint/general", seq=4)
        assert across.wire.of("read") == []

    in_office(scenario)


def test_a_direct_channel_is_made_once_and_those_it_names_hear_of_it() -> None:
    async def scenario(whole: WholeOffice) -> None:
        seats = await _everybody(whole)
        first, again = await asyncio.gather(
            seats["south-1"].ask("open_direct", users=["north-1"]),
            seats["north-1"].ask("open_direct", users=["south-1"]),
        )
        assert first["channel"] == again["channel"]
        assert first["channel"]["channel"] == "dm/north-1+south-1"
        await asyncio.sleep(0.1)
        for user, seat in seats.items():
            told = [push["channel"] for push in seat.wire.of("channel")]
            assert told == (["dm/north-1+south-1"] if user in ("south-1", "north-1") else [])

    in_office(scenario)


@pytest.mark.parametrize("name", ["nobody", "ops", "south-bot"])
def test_a_direct_channel_with_somebody_who_is_no_person_here_is_refused(name: str) -> None:
    async def scenario(whole: WholeOffice) -> None:
        answer = await (await whole.connect("south-1")).ask("open_direct", users=[name])
        assert answer["name"] == "no_such_user"

    in_office(scenario)


def test_only_its_author_changes_a_message_and_nobody_one_that_was_withdrawn() -> None:
    async def scenario(whole: WholeOffice) -> None:
        author, other = await whole.connect("south-1"), await whole.connect("south-2")
        await author.ask("publish", **_said(1))
        about = {"channel": "joint/general", "seq": 1}
        assert (await other.ask("correct", key="c", text="x", **about))["name"] == "not_author"
        assert (await other.ask("withdraw", key="w", **about))["name"] == "not_author"
        withdrawn = await author.ask("withdraw", key="w", **about)
        # A repeat finds its first result, and is no withdrawal of something withdrawn.
        assert await author.ask("withdraw", key="w", **about) | {"id": 0} == withdrawn | {"id": 0, "duplicate": True}
        assert (await author.ask("correct", key="c", text="x", **about))["name"] == "withdrawn"
        assert (await author.ask("correct", key="c", text="x", channel="joint/general", seq=2))["name"] == (
            "no_such_message"
        )

    in_office(scenario)


def test_all_devices_of_a_user_share_one_rate_of_publishing() -> None:
    async def scenario(whole: WholeOffice) -> None:
        first, second = await whole.connect("south-1"), await whole.connect("south-1")
        answers = []
        for number in range(6):
            seat = (first, second)[number % 2]
            answers.append((await seat.ask("publish", **_said(number))).get("name", "granted"))
        assert answers.count("rate_limited") >= 2
        assert (await (await whole.connect("south-2")).ask("publish", **_said(9)))["type"] == "reply"

    in_office(scenario, OfficeSettings(user_publishes_per_s=1, user_publishes_burst=4))


def test_whoever_is_kept_out_is_cut_off_at_once_with_all_devices_and_streams() -> None:
    async def scenario(whole: WholeOffice) -> None:
        seats = [await whole.connect("south-1"), await whole.connect("south-1"), await whole.connect("north-1")]
        stream = ByteWire()
        actor = whole.office.authenticate(secret_of("south-1"))
        await whole.office.follow(actor, "joint/general", None, 0, stream)
        await whole.office.accounts.set_active("south-1", active=False, by="test")
        assert [seat.close_code for seat in seats] == [4503, 4503, None]
        assert stream.closed_with is not None
        assert int(stream.closed_with[0]) == 4503
        with pytest.raises(LiaisonError) as refused:
            whole.office.authenticate(secret_of("south-1"))
        assert refused.value.code is ErrorCode.UNAUTHENTICATED

    in_office(scenario)


@pytest.mark.parametrize(("type_", "fields"), [("history", {}), ("search", {"query": "line"})])
def test_a_right_revoked_while_an_answer_is_read_from_the_log_keeps_the_answer_back(
    type_: str, fields: dict[str, Any]
) -> None:
    async def scenario(whole: WholeOffice) -> None:
        channel = ChannelId("south/general")
        whole.log.fill(5, channel=channel)
        seat = await whole.connect("south-1")
        whole.log.read_gate.clear()
        number = seat.send(type_, channel=channel, **fields)
        await asyncio.sleep(0.1)
        await whole.office.accounts.remove_member(channel, "south-1", by="test")
        whole.log.read_gate.set()
        await asyncio.sleep(0.5)
        answer = seat.answer(number)
        assert answer is not None
        assert answer["name"] == "no_such_channel"

    in_office(scenario)


def test_a_search_everywhere_leaves_out_what_was_lost_while_it_was_carried_out() -> None:
    async def scenario(whole: WholeOffice) -> None:
        whole.log.fill(60, channel=ChannelId("south/general"))
        seat = await whole.connect("south-1")
        whole.log.read_gate.clear()
        number = seat.send("search", query="line", limit=50)
        await asyncio.sleep(0.1)
        await whole.office.accounts.remove_member("south/general", "south-1", by="test")
        whole.log.read_gate.set()
        await asyncio.sleep(0.5)
        answer = seat.answer(number)
        assert answer is not None
        assert answer["messages"] == []

    in_office(scenario)


def test_draining_finishes_appends_tells_everybody_and_lets_nobody_new_in() -> None:
    async def scenario(whole: WholeOffice) -> None:
        seat = await whole.connect("south-1")
        whole.log.gate.clear()
        number = seat.send("publish", **_said(1))
        await whole.log.append_began.wait()
        draining = asyncio.ensure_future(whole.office.drain())
        await asyncio.sleep(0.1)
        assert seat.wire.of("go_away")[0]["code"] == 1012
        assert seat.close_code is None
        with pytest.raises(LiaisonError) as refused:
            whole.open()
        assert refused.value.code is ErrorCode.DRAINING
        assert "draining" in await whole.office.readiness()
        whole.log.gate.set()
        await draining
        answer = seat.answer(number)
        assert answer is not None
        assert answer["seq"] == 1
        assert seat.close_code == 1012

    in_office(scenario)


def test_draining_does_not_wait_for_ever_for_a_log_that_hangs() -> None:
    async def scenario(whole: WholeOffice) -> None:
        seat = await whole.connect("south-1")
        whole.log.gate.clear()
        number = seat.send("publish", **_said(1))
        await asyncio.wait_for(whole.office.drain(), 10)
        assert seat.close_code == 1012
        assert seat.answer(number) is None

    in_office(scenario)


def test_over_http_an_unknown_outcome_and_an_absent_log_are_answers() -> None:
    async def scenario(whole: WholeOffice) -> None:
        office = whole.office
        actor = office.authenticate(secret_of("south-1"))
        whole.log.read_failures.append(LogUnavailableError())
        with pytest.raises(LiaisonError) as away:
            await office.execute(actor, frames.History(id=1, channel="joint/general"))
        assert away.value.code is ErrorCode.UNAVAILABLE
        with pytest.raises(LiaisonError) as sessionless:
            await office.execute(actor, frames.Subscribe(id=1, channel="joint/general"))
        assert sessionless.value.code is ErrorCode.INVALID

    in_office(scenario)


def test_a_stream_begins_at_its_position_and_leaves_nothing_behind_when_it_ends() -> None:
    async def scenario(whole: WholeOffice) -> None:
        whole.log.fill(5)
        actor = whole.office.authenticate(secret_of("north-1"))

        stream = ByteWire()
        follower = await whole.office.follow(actor, "joint/general", Position(1, 3), 0, stream)
        await asyncio.sleep(0.1)
        assert b'"seq":3' not in stream.sent
        assert stream.sent.index(b'"seq":4') < stream.sent.index(b'"seq":5')
        follower.on_closed()
        assert whole.office.hubs.get(GENERAL) is None
        assert UserId("north-1") in whole.office.rights.accounts

    in_office(scenario)
