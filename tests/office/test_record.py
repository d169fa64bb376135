"""Keys of both sides and the heads that they sign, in a whole office."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from liaison.core.entries import EntryKind
from liaison.core.identifiers import ChannelId
from liaison.core.register_channels import ADMINISTRATION
from liaison.core.side_keys import MAX_VALID_KEYS
from liaison.office.administration import AdministrationDepartment
from liaison.office.record import RecordDepartment
from tests.office.liaison_office import GENERAL, SIDES, LiaisonOffice, in_liaison_office, until
from tests.side_signer import OFFICE, SideSigner

OTHER = {"south": "north", "north": "south"}


def run(scenario: Callable[[LiaisonOffice], Awaitable[None]]) -> None:
    in_liaison_office(scenario, (AdministrationDepartment, lambda office: RecordDepartment(office, OFFICE)))


async def registered(whole: LiaisonOffice, side: str, name: str = "desk", **more: Any) -> SideSigner:
    signer = SideSigner(side, name)
    await whole.ask(f"{side}-head", "register_key", **signer.registration(**more))
    return signer


async def head_of(whole: LiaisonOffice, signer: SideSigner, seq: int = 0, channel: str = GENERAL) -> dict[str, Any]:
    """Give a right signature over an entry, the newest if none is named."""
    entries = await whole.entries(channel)
    entry = entries[seq - 1]
    return signer.head(channel, entry.seq, entry.link, whole.clock.wall_ms())


async def sign(whole: LiaisonOffice, user: str, signer: SideSigner, seq: int = 0, channel: str = GENERAL) -> Any:
    return await whole.ask(user, "sign_head", **await head_of(whole, signer, seq, channel))


# --------------------------------------------------------------------------------------------------------------- keys


@pytest.mark.parametrize("side", SIDES)
def test_a_head_registers_a_key_of_the_own_side_and_everybody_of_both_sides_sees_it(side: str) -> None:
    async def scenario(whole: LiaisonOffice) -> None:
        signer = SideSigner(side)
        reply = await whole.ask(f"{side}-head", "register_key", key="k", **signer.registration())
        key = reply["side_key"]
        assert (key["fingerprint"], key["delegation"], key["state"]) == (signer.fingerprint, side, "valid")
        again = await whole.ask(f"{side}-head", "register_key", key="k", **signer.registration())
        assert (again["duplicate"], again["side_key"]) == (True, key)
        for user in (f"{side}-1", f"{OTHER[side]}-head", f"{OTHER[side]}-bot"):
            assert await whole.ask(user, "side_keys") == {"type": "reply", "id": 1, "office": "office", "keys": [key]}
        assert await whole.refused("ops", "side_keys") == "forbidden"

    run(scenario)


@pytest.mark.parametrize("side", SIDES)
def test_only_heads_manage_keys_and_none_of_them_those_of_the_other_side(side: str) -> None:
    async def scenario(whole: LiaisonOffice) -> None:
        mine, theirs = SideSigner(side), await registered(whole, OTHER[side])
        for user in (f"{side}-1", f"{side}-bot", "ops"):
            assert await whole.refused(user, "register_key", **mine.registration()) == "forbidden"
            wish = {"fingerprint": theirs.fingerprint, "reason": "lost"}
            assert await whole.refused(user, "revoke_key", **wish) == "forbidden"
        head = f"{side}-head"
        # What the other side's head has signed for its own side is no key of ours, whoever sends it.
        foreign = SideSigner(OTHER[side], "new")
        assert await whole.refused(head, "register_key", **foreign.registration()) == "signature_wrong"
        assert await whole.refused(head, "register_key", **theirs.registration()) == "key_exists"
        assert await whole.refused(head, "revoke_key", fingerprint=theirs.fingerprint, reason="x") == "key_other_side"
        replacing = mine.registration(replaces=theirs)
        assert await whole.refused(head, "register_key", **replacing) == "key_other_side"
        assert [key["delegation"] for key in (await whole.ask(head, "side_keys"))["keys"]] == [OTHER[side]]

    run(scenario)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"public_key": "A" * 44}, "key_invalid"),
        ({"public_key": "!" * 44}, "key_invalid"),
        # The same 32 bytes in another spelling: the last digit's spare bits are set.
        ({"public_key": "A" * 42 + "B="}, "key_invalid"),
        ({"public_key": "A" * 43 + "="}, "signature_wrong"),
        ({"proof": "A" * 86 + "=="}, "signature_wrong"),
        ({"proof": "A" * 88}, "signature_wrong"),
        ({"label": "another"}, "signature_wrong"),
        ({"label": "two\nlines"}, "invalid"),
        ({"label": " blank"}, "invalid"),
        ({"endorsement": "A" * 88}, "invalid"),
        ({"replaces": "0" * 64}, "signature_wrong"),
    ],
)
def test_each_wrong_registration_is_refused_and_leaves_nothing(changes: dict[str, str], error: str) -> None:
    async def scenario(whole: LiaisonOffice) -> None:
        fields = SideSigner("south").registration() | changes
        assert await whole.refused("south-head", "register_key", **fields) == error
        assert await whole.entries(ADMINISTRATION) == []

    run(scenario)


def test_a_key_is_replaced_by_one_that_it_endorses_and_by_no_other() -> None:
    async def scenario(whole: LiaisonOffice) -> None:
        old = await registered(whole, "south")
        new, thief = SideSigner("south", "new"), SideSigner("south", "thief")
        forged = new.registration(replaces=old) | {"endorsement": new.registration(replaces=thief)["endorsement"]}
        assert await whole.refused("south-head", "register_key", **forged) == "signature_wrong"
        await whole.ask("south-head", "register_key", **new.registration(replaces=old))
        before, after = (await whole.ask("north-1", "side_keys"))["keys"]
        assert (before["state"], before["until_ms"]) == ("replaced", after["from_ms"])
        assert (after["state"], after["replaces"]) == ("valid", old.fingerprint)
        again = SideSigner("south", "newer").registration(replaces=old)
        assert await whole.refused("south-head", "register_key", **again) == "key_ended"
        gone = {"fingerprint": old.fingerprint, "reason": "x"}
        assert await whole.refused("south-head", "revoke_key", **gone) == "key_ended"
        assert await whole.refused("south-head", "register_key", **old.registration()) == "key_exists"
        nobody = {"fingerprint": "0" * 64, "reason": "x"}
        assert await whole.refused("south-head", "revoke_key", **nobody) == "no_such_key"

    run(scenario)


def test_a_side_has_so_many_valid_keys_and_the_other_sides_do_not_count() -> None:
    async def scenario(whole: LiaisonOffice) -> None:
        await registered(whole, "north")
        for number in range(MAX_VALID_KEYS):
            await registered(whole, "south", str(number))
        more = SideSigner("south", "more").registration()
        assert await whole.refused("south-head", "register_key", **more) == "too_many_keys"
        await registered(whole, "south", "in its place", replaces=SideSigner("south", "0"))
        fingerprint = SideSigner("south", "1").fingerprint
        await whole.ask("south-deputy", "revoke_key", fingerprint=fingerprint, reason="노트북 분실")
        await whole.ask("south-head", "register_key", **more)

    run(scenario)


def test_two_heads_who_register_the_same_key_at_two_nodes_make_one_of_it() -> None:
    async def scenario(whole: LiaisonOffice) -> None:
        first = whole.office
        async with whole.node("n2"):
            await registered(whole, "south")
            whole.office = first
            again = SideSigner("south").registration()
            assert await whole.refused("south-deputy", "register_key", **again) == "key_exists"

    run(scenario)


# -------------------------------------------------------------------------------------------------------------- heads


@pytest.mark.parametrize("side", SIDES)
def test_a_signed_head_is_an_entry_of_its_channel_and_complete_is_what_both_sides_have_signed(side: str) -> None:
    async def scenario(whole: LiaisonOffice) -> None:
        mine, theirs = await registered(whole, side), await registered(whole, OTHER[side])
        for number in range(3):
            await whole.say("south-1", f"line {number}")
        assert (await sign(whole, f"{side}-1", mine))["seq"] == 4
        state = await whole.ask(f"{OTHER[side]}-1", "signed_heads", channel=GENERAL)
        assert (state["complete_seq"], state["head"]) == (0, 4)
        assert (await sign(whole, f"{OTHER[side]}-1", theirs, 2))["seq"] == 5
        state = await whole.ask(f"{side}-2", "signed_heads", channel=GENERAL)
        assert state["complete_seq"] == 2
        assert {each["delegation"]: each["seq"] for each in state["sides"]} == {side: 3, OTHER[side]: 2}
        newest, oldest = state["heads"]
        assert (newest["entry_seq"], newest["delegation"], newest["seq"]) == (5, OTHER[side], 2)
        assert oldest["signature"] == (await head_of(whole, mine, 3))["signature"]
        assert [entry.draft.kind for entry in (await whole.entries(GENERAL))[3:]] == [EntryKind.SIGNED_HEAD] * 2

    run(scenario)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"seq": 9}, "head_seq"),
        ({"seq": 0}, "head_seq"),
        ({"epoch": 2}, "head_epoch"),
        ({"link": "0" * 64}, "head_link"),
        ({"time_ms": 0}, "head_time"),
        ({"signature": "A" * 86 + "=="}, "signature_wrong"),
        ({"fingerprint": "0" * 64}, "no_such_key"),
        ({"channel": "joint/weather"}, "head_seq"),
        ({"channel": "north/general"}, "no_such_channel"),
    ],
)
def test_each_wrong_signature_is_refused_with_an_error_of_its_own(changes: dict[str, Any], error: str) -> None:
    async def scenario(whole: LiaisonOffice) -> None:
        signer = await registered(whole, "south")
        await whole.say("south-1", "one")
        await whole.say("south-1", "two")
        right = await head_of(whole, signer)
        assert await whole.refused("south-1", "sign_head", **right | changes) == error
        assert await whole.texts() == ["one", "two"]
        await whole.ask("south-1", "sign_head", **right)

    run(scenario)


def test_what_is_signed_in_another_office_or_for_another_channel_is_no_signature_here() -> None:
    async def scenario(whole: LiaisonOffice) -> None:
        signer = await registered(whole, "south")
        for channel in (GENERAL, "joint/weather"):
            await whole.say("south-1", "one", channel)
        right, there = await head_of(whole, signer), await head_of(whole, signer, channel="joint/weather")
        assert (
            await whole.refused("south-1", "sign_head", **right | {"signature": there["signature"]})
            == "signature_wrong"
        )
        signer.office = "another"
        assert await whole.refused("south-1", "sign_head", **await head_of(whole, signer)) == "signature_wrong"

    run(scenario)


@pytest.mark.parametrize("side", SIDES)
def test_nobody_signs_with_the_other_sides_key_nor_with_one_that_has_ended(side: str) -> None:
    async def scenario(whole: LiaisonOffice) -> None:
        mine, theirs = await registered(whole, side), await registered(whole, OTHER[side])
        await whole.say("south-1", "one")
        assert await whole.refused(f"{side}-1", "sign_head", **await head_of(whole, theirs)) == "key_other_side"
        right = await head_of(whole, mine)
        (entry,) = await whole.entries(GENERAL)
        early = mine.head(GENERAL, 1, entry.link, whole.clock.wall_ms() - 60_000)
        assert await whole.refused(f"{side}-1", "sign_head", **early) == "key_ended"
        await whole.ask(f"{side}-head", "revoke_key", fingerprint=mine.fingerprint, reason="lost")
        assert await whole.refused(f"{side}-1", "sign_head", **right) == "key_ended"

    run(scenario)


def test_a_repeat_is_the_same_entry_and_an_older_head_is_refused() -> None:
    async def scenario(whole: LiaisonOffice) -> None:
        signer, bot = await registered(whole, "south"), await registered(whole, "south", "bot")
        await whole.say("south-1", "one")
        await whole.say("south-1", "two")
        first, second = await head_of(whole, signer, 1), await head_of(whole, signer, 2)
        place = await whole.ask("south-1", "sign_head", **second)
        again = await whole.ask("south-1", "sign_head", **second)
        assert (again["seq"], again["duplicate"]) == (place["seq"], True)
        assert await whole.refused("south-1", "sign_head", **first) == "head_older"
        # Each key goes forward by itself: a second one of the side may well sign what the first has signed.
        await sign(whole, "south-1", bot, 2)
        assert len(await whole.entries(GENERAL)) == 4

    run(scenario)


def test_a_bot_that_only_reads_signs_and_a_suspended_channel_takes_it() -> None:
    async def scenario(whole: LiaisonOffice) -> None:
        signer = await registered(whole, "north")
        await whole.agree("bot_access", channel=GENERAL, user="north-bot", access="read")
        await whole.say("south-1", "one")
        await whole.suspend()
        assert (await sign(whole, "north-bot", signer))["seq"] == 3
        assert await whole.refused("south-bot", "signed_heads", channel=GENERAL) == "no_such_channel"

    run(scenario)


def test_a_channel_of_one_side_is_complete_with_that_sides_signature_and_unknown_to_the_other() -> None:
    async def scenario(whole: LiaisonOffice) -> None:
        signer = await registered(whole, "south")
        await whole.say("south-1", "one", "south/general")
        await sign(whole, "south-1", signer, channel="south/general")
        state = await whole.ask("south-2", "signed_heads", channel="south/general")
        assert (state["complete_seq"], [each["delegation"] for each in state["sides"]]) == (1, ["south"])
        assert await whole.refused("north-1", "signed_heads", channel="south/general") == "no_such_channel"
        direct = (await whole.ask("south-1", "open_direct", users=["north-1"]))["channel"]["channel"]
        await whole.say("south-1", "one", direct)
        await sign(whole, "south-1", signer, channel=direct)
        state = await whole.ask("north-1", "signed_heads", channel=direct)
        assert {each["delegation"]: each["seq"] for each in state["sides"]} == {"south": 1, "north": 0}

    run(scenario)


def test_signatures_reach_whoever_follows_the_channel_at_every_node() -> None:
    async def scenario(whole: LiaisonOffice) -> None:
        signer = await registered(whole, "south")
        await whole.say("south-1", "one")
        first = whole.office
        async with whole.node("n2") as second:
            seat = await whole.connect("north-1", second)
            await seat.ask("subscribe", channel=GENERAL)
            whole.office = first
            await sign(whole, "south-1", signer)
            await until(lambda: [frame["kind"] for frame in seat.wire.of("message")] == ["signed_head"])

    run(scenario)


def test_pages_of_signed_heads_go_down_to_the_first() -> None:
    async def scenario(whole: LiaisonOffice) -> None:
        signer = await registered(whole, "south")
        for number in range(5):
            await whole.say("south-1", str(number))
            await sign(whole, "south-1", signer)
        found, before, more = [], 0, True
        while more:
            page = await whole.ask("south-1", "signed_heads", channel=GENERAL, before=before, limit=2)
            found += [head["seq"] for head in page["heads"]]
            before, more = page["heads"][-1]["entry_seq"], page["more"]
            assert page["sides"] == [
                {"delegation": "north", "seq": 0, "time_ms": 0},
                {"delegation": "south", "seq": 9, "time_ms": page["sides"][1]["time_ms"]},
            ]
        assert found == [9, 7, 5, 3, 1]

    run(scenario)


def test_after_a_restore_the_new_epoch_is_signed_from_where_it_stands() -> None:
    async def scenario(whole: LiaisonOffice) -> None:
        signer = await registered(whole, "south")
        await whole.say("south-1", "one")
        await sign(whole, "south-1", signer)
        await whole.begin_epoch(2)
        old = await head_of(whole, signer)
        assert await whole.refused("south-1", "sign_head", **old) == "head_epoch"
        entry = (await whole.entries(GENERAL))[0]
        anew = signer.head(GENERAL, entry.seq, entry.link, whole.clock.wall_ms(), epoch=2)
        assert (await whole.ask("south-1", "sign_head", **anew))["epoch"] == 2

    run(scenario)


def test_a_crash_between_commit_and_answer_is_mended_by_the_same_signature_again() -> None:
    async def scenario(whole: LiaisonOffice) -> None:
        signer = await registered(whole, "south")
        await whole.say("south-1", "one")
        right = await head_of(whole, signer)
        whole.brittle.left, whole.brittle.commits = 0, True
        assert await whole.refused("south-1", "sign_head", **right) == "unknown_outcome"
        async with whole.node("n2"):
            reply = await whole.ask("south-1", "sign_head", **right)
            assert (reply["seq"], reply["duplicate"]) == (2, True)

    run(scenario)


def test_the_signed_channel_is_one_that_the_log_knows() -> None:
    async def scenario(whole: LiaisonOffice) -> None:
        signer = await registered(whole, "south")
        assert await whole.log.signed_heads(ChannelId("joint/weather"), before=None, limit=5) == []
        state = await whole.ask("south-1", "signed_heads", channel="joint/weather")
        assert (state["head"], state["complete_seq"], state["heads"]) == (0, 0, [])
        empty = signer.head("joint/weather", 1, bytes(32), whole.clock.wall_ms())
        assert await whole.refused("south-1", "sign_head", **empty) == "head_seq"

    run(scenario)
