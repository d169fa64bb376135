"""Suspension without loss, and what needs both sides' keys, in a whole office."""

import asyncio

import msgspec
import pytest

from liaison.core.identifiers import ChannelId, UserId
from liaison.ports.log import LogUnavailableError
from liaison.protocol.errors import LiaisonError
from tests import virtual_time
from tests.office.liaison_office import (
    GENERAL,
    LIFE_MS,
    PEOPLE,
    LiaisonOffice,
    in_liaison_office,
    until,
)
from tests.office.whole_office import Seat

# ------------------------------------------------------------------------------------------------------------ suspended


def test_what_is_written_while_suspended_is_held_and_released_once_in_order_when_both_heads_resume() -> None:
    async def scenario(whole: LiaisonOffice) -> None:
        await whole.say("south-1", "before")
        name = await whole.suspend()
        for number, user in enumerate(("north-1", "south-1", "north-2", "north-1")):
            reply = await whole.say(user, f"held {number}", key=f"h{number}")
            assert (reply["held"], reply["seq"]) == (True, 0)
        again = await whole.say("north-1", "held 0", key="h0")
        assert (again["held"], again["seq"]) == (True, 0)
        assert await whole.texts() == ["before", "suspension"]
        proposal = await whole.propose("north-head", "resume", channel=GENERAL, suspension=name)
        assert (await whole.approve("north-head", proposal))["state"] == "approved_by_one"
        assert await whole.texts() == ["before", "suspension"]
        assert (await whole.approve("south-head", proposal))["state"] == "carried_out"
        released = [f"held {number}" for number in range(4)]
        assert await whole.texts() == ["before", "suspension", "resumption", *released]
        reply = await whole.say("north-1", "held 0", key="h0")
        assert (reply["seq"], reply["duplicate"]) == (4, True)
        await whole.say("south-1", "after")
        assert (await whole.texts())[-1] == "after"
        assert await whole.events() == ["suspended", "in_force", "proposed", "approved", "approved", "carried_out"]

    in_liaison_office(scenario)


def test_life_safety_passes_a_suspension_when_a_person_says_it_and_never_from_a_bot() -> None:
    async def scenario(whole: LiaisonOffice) -> None:
        await whole.agree("bot_access", channel=GENERAL, user="north-bot", access="write")
        await whole.suspend()
        reply = await whole.say("north-1", "수문을 엽니다", precedence="life_safety")
        assert reply["seq"] == 2
        assert await whole.texts() == ["suspension", "수문을 엽니다"]
        assert (
            await whole.refused("north-bot", "publish", channel=GENERAL, text="!", precedence="life_safety")
            == "forbidden"
        )

    in_liaison_office(scenario)


def test_authors_see_their_own_held_messages_and_nothing_tells_the_other_side_of_them() -> None:
    async def scenario(whole: LiaisonOffice) -> None:
        await whole.suspend()
        await whole.say("south-1", "비밀 남측", key="s1")
        await whole.say("north-1", "비밀 북측", key="n1")
        await whole.say("south-2", "비밀 남측 둘", key="s2")
        own = await whole.ask("south-1", "held_messages", channel=GENERAL)
        assert [message["key"] for message in own["messages"]] == ["s1"]
        assert (own["suspended"], own["of_side"]) == (True, 2)
        across = await whole.ask("north-2", "held_messages", channel=GENERAL)
        assert (across["messages"], across["of_side"]) == ([], 1)
        assert set(own["messages"][0]) == {"key", "time_ms", "kind", "text"}
        for user in ("north-1", "north-head", "south-2"):
            history = await whole.ask(user, "history", channel=GENERAL)
            assert [message["kind"] for message in history["messages"]] == ["suspension"]
            assert (await whole.ask(user, "search", query="비밀"))["messages"] == []

    in_liaison_office(scenario)


def test_every_member_at_every_node_is_told_at_once_and_sees_what_is_released() -> None:
    async def scenario(whole: LiaisonOffice) -> None:
        first = whole.office
        here = await whole.connect("south-1", first)
        async with whole.node("n2") as second:
            there, idle = await whole.connect("north-1", second), await whole.connect("north-2", second)
            for seat in (here, there):
                await seat.ask("subscribe", channel=GENERAL)
            whole.office = first
            name = await whole.suspend()
            for seat in (here, there, idle):
                await _told(seat, [True])
            await there.ask("publish", channel=GENERAL, key="n1", text="held at the other node")
            proposal = await whole.propose("south-head", "resume", channel=GENERAL, suspension=name)
            await whole.approve("north-head", proposal)
            await whole.approve("south-head", proposal)
            for seat in (here, there, idle):
                await _told(seat, [True, False])
            for seat in (here, there):
                await _seen(seat, "n1")
                assert seat.wire.seqs == [1, 2, 3]

    in_liaison_office(scenario)


async def _told(seat: Seat, suspended: list[bool]) -> None:
    await until(lambda: _suspended(seat) == suspended)


async def _seen(seat: Seat, key: str) -> None:
    await until(lambda: key in [frame["key"] for frame in seat.wire.of("message")])


def _suspended(seat: Seat) -> list[bool]:
    return [
        frame["info"].get("suspended", False)
        for frame in seat.wire.of("channel")
        if (frame["event"], frame["channel"]) == ("changed", GENERAL)
    ]


def test_whoever_comes_in_or_asks_sees_which_channels_are_suspended() -> None:
    async def scenario(whole: LiaisonOffice) -> None:
        await whole.suspend()
        channels = (await whole.ask("north-1", "channels"))["channels"]
        assert [channel["channel"] for channel in channels if channel.get("suspended")] == [GENERAL]
        shown = await whole.ask("north-1", "administration")
        (suspension,) = shown["suspensions"]
        assert (suspension["delegation"], suspension["user"]) == ("south", "south-head")
        assert (suspension["authority"], suspension["reason"]) == ("남측 대표", "협의가 필요합니다")

    in_liaison_office(scenario)


def test_a_channel_is_suspended_once_and_each_suspension_is_resumed_by_its_own_proposal() -> None:
    async def scenario(whole: LiaisonOffice) -> None:
        name = await whole.suspend(key="s1")
        assert await whole.suspend(key="s1") == name
        words = {"authority": "a", "reason": "r"}
        assert await whole.refused("north-head", "suspend_channel", channel=GENERAL, **words) == "already_suspended"
        stale = await whole.propose("south-head", "resume", channel=GENERAL, suspension=name)
        other = await whole.propose("north-head", "resume", channel=GENERAL, suspension=name)
        for head in ("south-head", "north-head"):
            await whole.approve(head, other)
        states = {row["proposal"]: row["state"] for row in (await whole.ask("north-1", "administration"))["proposals"]}
        assert states == {stale["proposal"]: "superseded", other["proposal"]: "carried_out"}
        second = await whole.suspend("north-head")
        assert second != name
        subject = {"kind": "resume", "channel": GENERAL, "suspension": name}
        expires_ms = whole.clock.wall_ms() + LIFE_MS
        assert await whole.refused("south-head", "propose", subject=subject, expires_ms=expires_ms) == "not_suspended"
        assert (await whole.texts()) == ["suspension", "resumption", "suspension"]

    in_liaison_office(scenario)


@pytest.mark.parametrize("commits", [False, True])
@pytest.mark.parametrize("left", range(6))
def test_a_node_that_dies_between_any_two_writes_leaves_nothing_in_between(left: int, commits: bool) -> None:
    async def scene(world: virtual_time.World) -> None:
        whole = LiaisonOffice(world)
        await whole.move_in()
        async with whole.node():
            whole.brittle.left, whole.brittle.commits = left, commits
            broken = ""
            try:
                name = await whole.suspend(key="s")
                await whole.say("north-1", "held", key="h")
                await whole.agree("resume", channel=GENERAL, suspension=name)
            except LiaisonError as error:
                broken = error.code.wire_name
        assert broken == "unknown_outcome"
        async with whole.node("n2"):
            # The heads and the author try again, with the same keys where they had one.
            name = await whole.suspend(key="s")
            await asyncio.sleep(3)
            held = await whole.say("north-1", "held", key="h")
            if await whole.log.suspended([ChannelId(GENERAL)]):
                assert held["held"]
                await whole.agree("resume", channel=GENERAL, suspension=name)
            assert (await whole.texts()).count("held") == 1
            texts = [text for text in await whole.texts() if text != "held"]
            assert texts == ["suspension", "resumption"]
            events = await whole.events()
            assert events.count("in_force") == 1
            assert events.count("carried_out") == 1

    virtual_time.run(1, scene)


# ------------------------------------------------------------------------------------------------------------ two keys


def test_one_key_does_nothing_whoever_turns_it_how_often() -> None:
    async def scenario(whole: LiaisonOffice) -> None:
        proposal = await whole.propose("south-head", "membership", channel=GENERAL, user="north-1", access="none")
        ask = {"proposal": proposal["proposal"], "digest": proposal["digest"]}
        await whole.ask("south-head", "approve_proposal", key="a1", **ask)
        again = await whole.ask("south-head", "approve_proposal", key="a1", **ask)
        assert again["duplicate"]
        assert await whole.refused("south-head", "approve_proposal", **ask) == "already_approved"
        assert await whole.refused("south-deputy", "approve_proposal", **ask) == "side_has_approved"
        wrong = {**ask, "digest": "0" * 64}
        assert await whole.refused("north-head", "approve_proposal", **wrong) == "proposal_digest"
        assert await whole.refused("north-1", "approve_proposal", **ask) == "forbidden"
        assert await whole.refused("north-bot", "approve_proposal", **ask) == "forbidden"
        assert await whole.refused("ops", "approve_proposal", **ask) == "forbidden"
        assert GENERAL in whole.office.rights.channels_of(UserId("north-1"))
        await asyncio.sleep(LIFE_MS / 1000 + 5)
        assert await whole.refused("north-head", "approve_proposal", **ask) == "proposal_expired"
        assert (await whole.events())[-1] == "expired"

    in_liaison_office(scenario)


def test_both_keys_change_membership_and_a_bots_access() -> None:
    async def scenario(whole: LiaisonOffice) -> None:
        done = await whole.agree("membership", channel=GENERAL, user="north-1", access="none")
        assert (done["state"], done.get("waits_on", [])) == ("carried_out", [])
        assert await whole.refused("north-1", "history", channel=GENERAL) == "no_such_channel"
        await whole.agree("membership", channel=GENERAL, user="north-1", access="read")
        assert await whole.refused("north-1", "publish", channel=GENERAL, text="x") == "forbidden"
        await whole.agree("bot_access", channel=GENERAL, user="south-bot", access="write")
        await whole.say("south-bot", "안녕하십니까")
        subjects = {
            "not_a_person": {"kind": "membership", "channel": GENERAL, "user": "south-bot", "access": "read"},
            "not_a_bot": {"kind": "bot_access", "channel": GENERAL, "user": "south-1", "access": "read"},
            "no_such_user": {"kind": "membership", "channel": GENERAL, "user": "nobody", "access": "read"},
            "no_such_channel": {"kind": "retention", "channel": "north/general", "days": 3},
            "not_for_both_sides": {"kind": "retention", "channel": "south/general", "days": 3},
        }
        for error, subject in subjects.items():
            expires_ms = whole.clock.wall_ms() + LIFE_MS
            assert await whole.refused("south-head", "propose", subject=subject, expires_ms=expires_ms) == error

    in_liaison_office(scenario)


def test_what_can_not_be_done_any_more_fails_on_the_record() -> None:
    async def scenario(whole: LiaisonOffice) -> None:
        name = await whole.suspend()
        proposals = [
            await whole.propose(f"{side}-head", "resume", channel=GENERAL, suspension=name)
            for side in ("south", "north")
        ]
        await whole.approve("south-head", proposals[0])
        await whole.approve("south-head", proposals[1])
        # Both get their second key before either is carried out: the office dies in between.
        whole.brittle.left = 1
        with pytest.raises(LiaisonError):
            await whole.approve("north-head", proposals[0])
        whole.brittle.left = 1
        with pytest.raises(LiaisonError):
            await whole.approve("north-deputy", proposals[1])
        whole.brittle.left = None
        await asyncio.sleep(5)
        shown = (await whole.ask("north-1", "administration"))["proposals"]
        assert sorted(row["state"] for row in shown) == ["carried_out", "failed"]
        assert (await whole.texts()) == ["suspension", "resumption"]

    in_liaison_office(scenario)


def test_a_no_of_either_side_ends_a_proposal_and_only_its_own_side_withdraws_it() -> None:
    async def scenario(whole: LiaisonOffice) -> None:
        first = await whole.propose("south-head", "retention", channel=GENERAL, days=365)
        assert await whole.refused("north-head", "withdraw_proposal", proposal=first["proposal"]) == (
            "proposal_other_side"
        )
        reply = await whole.ask("north-head", "reject_proposal", proposal=first["proposal"], reason="이르다")
        assert (reply["proposal"]["state"], reply["proposal"]["note"]) == ("rejected", "이르다")
        ask = {"proposal": first["proposal"], "digest": first["digest"]}
        assert await whole.refused("south-head", "approve_proposal", **ask) == "proposal_ended"
        second = await whole.propose("south-head", "retention", channel=GENERAL, days=730)
        third = await whole.propose("south-deputy", "retention", channel=GENERAL, days=731)
        withdrawn = await whole.ask("south-head", "withdraw_proposal", proposal=third["proposal"])
        assert withdrawn["proposal"]["state"] == "withdrawn"
        shown = {row["proposal"]: row["state"] for row in (await whole.ask("north-1", "administration"))["proposals"]}
        assert shown[second["proposal"]] == "superseded"
        unknown = {"proposal": "0" * 16, "digest": "0" * 64}
        assert await whole.refused("south-head", "approve_proposal", **unknown) == "no_such_proposal"

    in_liaison_office(scenario)


def test_the_granularity_that_was_agreed_is_shown_at_every_node_and_after_a_restart() -> None:
    async def scenario(whole: LiaisonOffice) -> None:
        await asyncio.sleep(3)
        seat = await whole.connect("south-1")
        await whole.connect("north-1")
        await asyncio.sleep(1)
        shown = await seat.ask("presence")
        assert {user["user"] for user in shown["users"]} == {"south-1", "north-1"}
        await whole.agree("granularity", granularity="count")
        (snapshot,) = seat.wire.of("presence_snapshot")
        assert [user["user"] for user in snapshot["users"]] == ["south-1"]
        assert {side["granularity"] for side in snapshot["sides"]} == {"named", "count"}
        async with whole.node("n2"):
            await asyncio.sleep(3)
            after = await whole.ask("north-2", "presence")
            assert [user["user"] for user in after["users"] if user["delegation"] == "south"] == []

    in_liaison_office(scenario)


def test_a_node_knows_what_was_agreed_before_it_serves_anybody(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(whole: LiaisonOffice) -> None:
        async with whole.node("n2"):
            first = await whole.ask("north-2", "presence")
        assert {side["granularity"] for side in first["sides"]} == {"named"}

        async def refuse(*_args: object, **_named: object) -> None:
            raise LogUnavailableError("away")

        monkeypatch.setattr(whole.log, "read", refuse)
        with pytest.raises(LogUnavailableError, match="away"):
            async with whole.node("n3"):
                raise AssertionError("a node that knows nothing has started")
        monkeypatch.undo()

    in_liaison_office(scenario)


def test_an_export_that_was_approved_is_for_heads_until_its_time_is_up_and_on_the_record_once() -> None:
    async def scenario(whole: LiaisonOffice) -> None:
        for number in range(5):
            await whole.say("south-1", f"line {number}")
        assert await whole.refused("south-head", "export_channel", channel=GENERAL) == "export_not_approved"
        until_ms = whole.clock.wall_ms() + LIFE_MS
        await whole.agree("export", channel=GENERAL, until_ms=until_ms)
        first = await whole.ask("north-head", "export_channel", channel=GENERAL, key="e", limit=3)
        rest = await whole.ask("north-head", "export_channel", channel=GENERAL, key="e", after=3)
        assert [row["text"] for row in first["messages"] + rest["messages"]] == [f"line {n}" for n in range(5)]
        assert (await whole.events()).count("exported") == 1
        assert await whole.refused("north-1", "export_channel", channel=GENERAL) == "forbidden"
        assert await whole.refused("north-head", "export_channel", channel="joint/weather") == "export_not_approved"
        await asyncio.sleep(LIFE_MS / 1000)
        assert await whole.refused("north-head", "export_channel", channel=GENERAL, key="f") == "export_not_approved"

    in_liaison_office(scenario)


def test_only_heads_suspend_only_joint_channels_and_never_a_register() -> None:
    async def scenario(whole: LiaisonOffice) -> None:
        words = {"authority": "a", "reason": "r"}
        for user in PEOPLE:
            for channel in (GENERAL, "south/general", "north/general", "joint/administration", "joint/none"):
                side, is_head = user.partition("-")[0], user.endswith(("head", "deputy"))
                readable = not user.endswith("bot") and user != "ops"
                exists = readable and channel.partition("/")[0] in ("joint", side) and channel != "joint/none"
                if not exists:
                    expected = "no_such_channel"
                elif not channel.startswith("joint/"):
                    expected = "not_for_both_sides"
                elif not is_head or channel == "joint/administration":
                    expected = "forbidden"
                else:
                    continue
                assert await whole.refused(user, "suspend_channel", channel=channel, **words) == expected, user
        for field in ("authority", "reason"):
            spoilt = {**words, field: "두\n줄"}
            assert await whole.refused("south-head", "suspend_channel", channel=GENERAL, **spoilt) == "invalid"
        assert await whole.events() == []

    in_liaison_office(scenario)


# ------------------------------------------------------------------------------------------------------------ symmetry


async def _a_day(whole: LiaisonOffice, one: str, two: str) -> str:
    name = await whole.suspend(f"{one}-head", key="s")
    await whole.say(f"{two}-1", "held", key="h")
    proposal = await whole.ask(
        f"{two}-head",
        "propose",
        key="p",
        subject={"kind": "resume", "channel": GENERAL, "suspension": name},
        expires_ms=whole.clock.wall_ms() + LIFE_MS,
    )
    for side in (one, two):
        ask = {"proposal": proposal["proposal"]["proposal"], "digest": proposal["proposal"]["digest"]}
        await whole.ask(f"{side}-head", "approve_proposal", key="a", **ask)
    seen = [await whole.ask(f"{side}-1", "administration") for side in (one, two)]
    told = [
        [row["state"], row["delegation"], [approval["delegation"] for approval in row["approvals"]]]
        for view in seen
        for row in view["proposals"]
    ]
    log = [(entry.draft.sender, entry.draft.delegation, entry.draft.kind.value) for entry in await whole.entries()]
    return str(msgspec.json.encode([told, log, await whole.texts()]), "utf-8")


def test_swapping_the_sides_swaps_the_results_and_changes_nothing_else() -> None:
    days: list[str] = []

    def day(one: str, two: str) -> None:
        async def scenario(whole: LiaisonOffice) -> None:
            days.append(await _a_day(whole, one, two))

        in_liaison_office(scenario)

    day("south", "north")
    day("north", "south")
    assert days[0] == days[1].replace("south", "\0").replace("north", "south").replace("\0", "north")
