"""Answers that need no session: each is authorised anew, checked, and the same for a socket as for HTTP."""

import unicodedata
from typing import Any

import pytest

from liaison.core.entries import EntryKind
from liaison.core.identifiers import ChannelId
from liaison.protocol.limits import MAX_TEXT_BYTES
from tests.office.whole_office import WholeOffice, in_office, secret_of

GENERAL = ChannelId("joint/general")


def _refused(command: dict[str, Any], expected: str) -> None:
    async def scenario(whole: WholeOffice) -> None:
        whole.log.fill(3)
        seat = await whole.connect("south-1")
        fields = dict(command)
        answer = await seat.ask(fields.pop("type"), channel="joint/general", **fields)
        assert answer["name"] == expected
        assert len(whole.log.rows[GENERAL]) == 3
        assert seat.close_code is None

    in_office(scenario)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (" \n\t", "invalid"),
        ("a\x00b", "invalid"),
        ("", "invalid"),
        ("e" + "\u0301" * 31, "invalid"),
        ("가" * (MAX_TEXT_BYTES // 3 + 1), "too_large"),
        ("x" * (MAX_TEXT_BYTES + 1), "too_large"),
    ],
    ids=lambda value: ascii(value[:8]),
)
def test_a_text_that_cannot_be_stored_as_its_author_saw_it_is_refused(text: str, expected: str) -> None:
    _refused({"type": "publish", "key": "k", "text": text}, expected)


def test_a_text_is_stored_in_one_normal_form() -> None:
    async def scenario(whole: WholeOffice) -> None:
        seat = await whole.connect("south-1")
        await seat.ask(
            "publish", channel="joint/general", key="k", text=unicodedata.normalize("NFD", "연락사무소") + "\r\n끝 \n"
        )
        assert [row.draft.text for row in whole.log.rows[GENERAL]] == ["연락사무소\n끝"]

    in_office(scenario)


def test_somebody_who_is_no_member_cannot_be_mentioned_whether_they_exist_or_not() -> None:
    async def scenario(whole: WholeOffice) -> None:
        seat = await whole.connect("south-1")
        answers = [
            await seat.ask("publish", channel="south/general", key="k", text="@", mentions=[user])
            for user in ("north-1", "nobody1")
        ]
        assert {answer["name"] for answer in answers} == {"invalid"}
        assert answers[0]["message"].replace("north-1", "nobody1") == answers[1]["message"]
        granted = await seat.ask("publish", channel="south/general", key="k", text="@", mentions=["south-2"])
        assert granted["type"] == "reply"

    in_office(scenario)


def test_a_reaction_is_printable_and_about_a_text() -> None:
    _refused({"type": "react", "key": "k", "seq": 1, "reaction": "\x1b[31m"}, "invalid")
    _refused({"type": "react", "key": "k", "seq": 1, "reaction": " "}, "invalid")
    _refused({"type": "react", "key": "k", "seq": 9, "reaction": "👍"}, "no_such_message")


def test_a_reaction_to_a_reaction_and_a_correction_of_a_correction_have_nothing_to_be_about() -> None:
    async def scenario(whole: WholeOffice) -> None:
        seat = await whole.connect("south-1")
        await seat.ask("publish", channel="joint/general", key="k1", text="word")
        await seat.ask("react", channel="joint/general", key="k2", seq=1, reaction="👍")
        await seat.ask("correct", channel="joint/general", key="k3", seq=1, text="words")
        kinds = [row.draft.kind for row in whole.log.rows[GENERAL]]
        assert kinds == [EntryKind.TEXT, EntryKind.REACTION, EntryKind.CORRECTION]
        for seq in (2, 3):
            answer = await seat.ask("react", channel="joint/general", key=f"r{seq}", seq=seq, reaction="👍")
            assert answer["name"] == "no_such_message"
            answer = await seat.ask("correct", channel="joint/general", key=f"c{seq}", seq=seq, text="more")
            assert answer["name"] == "no_such_message"

    in_office(scenario)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, [6, 7, 8, 9, 10]),
        ({"after": 0}, [1, 2, 3, 4, 5]),
        ({"after": 8}, [9, 10]),
        ({"after": 99}, []),
        ({"before": 4}, [1, 2, 3]),
        ({"before": 8}, [3, 4, 5, 6, 7]),
        ({"before": 1}, []),
        ({"before": 0}, []),
    ],
)
def test_a_page_of_history_is_in_rising_order_and_the_one_that_was_asked_for(
    fields: dict[str, int], expected: list[int]
) -> None:
    async def scenario(whole: WholeOffice) -> None:
        whole.log.fill(10)
        answer = await (await whole.connect("north-1")).ask("history", channel="joint/general", limit=5, **fields)
        assert [message["seq"] for message in answer["messages"]] == expected
        assert answer["head"] == 10

    in_office(scenario)


def test_ops_see_who_is_there_and_no_channel_and_no_word() -> None:
    async def scenario(whole: WholeOffice) -> None:
        whole.log.fill(3)
        ops = whole.open()
        connected = await ops.ask("connect", token=secret_of("ops"))
        assert connected["channels"] == []
        assert (await ops.ask("channels"))["channels"] == []
        assert (await ops.ask("search", query="line"))["messages"] == []
        assert (await ops.ask("history", channel="joint/general"))["name"] == "no_such_channel"
        assert (await ops.ask("open_direct", users=["south-1"]))["name"] == "forbidden"
        sessions = await ops.ask("watch_sessions")
        assert [row["user"] for row in sessions["sessions"]] == ["ops"]
        assert (await (await whole.connect("south-1")).ask("watch_sessions"))["name"] == "forbidden"

    in_office(scenario)
