import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from liaison.bot import Bot
from liaison.bot.examples import bridge, duty_reminder, echo
from liaison.bot.harness import Harness
from liaison.protocol import frames
from liaison.protocol.close_codes import CloseCode
from tests.bot.peer import GENERAL, TOKEN, Talk, connected, listening, message
from tests.bot.programs import finished, program

SEOUL = ZoneInfo("Asia/Seoul")
ROSTER = duty_reminder.Roster("A", "B", SEOUL)


async def test_echo_answers_its_command_with_the_words() -> None:
    async with Harness(echo.build(Bot("ws://harness", TOKEN), GENERAL)) as office:
        for text in ("!echo 안녕하세요", "no command", "!echo"):
            await office.say(GENERAL, "north-1", text)
        assert [reply.text for reply in await office.replies()] == ["안녕하세요"]


async def test_echo_runs_as_a_process_and_ends_cleanly_on_sigterm(tmp_path: Path) -> None:
    cursor = tmp_path / "cursor"
    async with listening() as peer, program(*module("echo"), url=peer.url, cursor=cursor) as process:
        talk = await peer.welcome()
        await talk.subscribed(head=3)
        await talk.send(message(4, "!echo hi"))
        assert (await talk.published(5)).text == "hi"
        process.terminate()
        _, errors = await finished(process)
        assert TOKEN not in errors
        # The cursor is past the command only if the handler's end was waited for.
        assert cursor.read_text() == '{"joint/general": {"epoch": 1, "seq": 4}}'


async def test_bot_that_is_sent_away_says_why_and_exits_with_a_failure(tmp_path: Path) -> None:
    async with listening() as peer, program(*module("echo"), url=peer.url, cursor=tmp_path / "cursor") as process:
        talk = await peer.welcome()
        await talk.close(CloseCode.REVOKED, "this token was revoked")
        _, errors = await finished(process, status=1)
        assert "The bot ends: this token was revoked (code 4503)" in errors


async def test_bridge_posts_each_line_in_order_and_ends_with_its_input(tmp_path: Path) -> None:
    async with listening() as peer, program(*module("bridge"), url=peer.url, cursor=tmp_path / "none") as process:
        talk = await peer.welcome()
        assert process.stdin is not None
        process.stdin.write("수위 12.1 m\n\n  12.4 m \n".encode())
        process.stdin.close()
        assert [(await talk.published(seq)).text for seq in (1, 2)] == ["수위 12.1 m", "12.4 m"]
        await finished(process)


async def test_duty_reminder_runs_as_a_process(tmp_path: Path) -> None:
    async with listening() as peer, program(*module("duty_reminder"), url=peer.url, cursor=tmp_path / "c") as process:
        talk = await peer.welcome()
        await talk.subscribed(head=0)
        await talk.send(message(1, "!next"))
        assert "calls first" in (await talk.published(2)).text
        process.terminate()
        await finished(process)


def module(example: str) -> tuple[str, str]:
    return "-m", f"liaison.bot.examples.{example}"


async def test_bridge_waits_for_each_line_to_be_durable() -> None:
    async def lines() -> AsyncIterator[str]:
        yield "one\n"
        yield "two\n"

    async with listening() as peer, connected(peer) as (client, talk):
        posting = asyncio.ensure_future(bridge.post_lines(client, GENERAL, lines()))
        await _refuse_nothing(talk)
        assert await posting == 2


async def _refuse_nothing(talk: Talk) -> None:
    first = await talk.expect(frames.Publish)
    assert first.text == "one"
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await talk.connection.recv()
    await talk.send(frames.PublishReply(id=first.id, seq=1, epoch=1, time_ms=1, duplicate=False))
    assert (await talk.published(2)).text == "two"


@pytest.mark.parametrize(
    ("now", "call", "caller"),
    [
        (datetime(2018, 10, 1, 8, 0, tzinfo=SEOUL), datetime(2018, 10, 1, 9, tzinfo=SEOUL), "A"),
        (datetime(2018, 10, 1, 9, 0, tzinfo=SEOUL), datetime(2018, 10, 1, 9, tzinfo=SEOUL), "A"),
        (datetime(2018, 10, 1, 9, 1, tzinfo=SEOUL), datetime(2018, 10, 1, 17, tzinfo=SEOUL), "A"),
        (datetime(2018, 10, 1, 17, 1, tzinfo=SEOUL), datetime(2018, 10, 2, 9, tzinfo=SEOUL), "B"),
        # The day is the office's: in UTC it is still the first.
        (datetime(2018, 10, 1, 23, 0, tzinfo=UTC), datetime(2018, 10, 2, 9, tzinfo=SEOUL), "B"),
        (datetime(2018, 10, 31, 18, 0, tzinfo=SEOUL), datetime(2018, 11, 1, 9, tzinfo=SEOUL), "A"),
    ],
)
def test_roster_knows_the_next_call_and_who_makes_it(now: datetime, call: datetime, caller: str) -> None:
    assert ROSTER.next_call(now) == call
    assert f"{caller} calls first" in ROSTER.describe(ROSTER.next_call(now))


async def test_duty_is_reminded_of_once_per_call_ten_minutes_ahead() -> None:
    bot = Bot("ws://harness", TOKEN)
    harness = Harness(bot)
    start_at = datetime(2018, 10, 1, 8, 0, tzinfo=SEOUL)
    duty_reminder.build(bot, GENERAL, ROSTER, lambda: start_at + timedelta(seconds=harness.time.monotonic_s()))
    async with harness as office:
        await office.pass_time(49 * 60)
        assert await office.replies() == []
        await office.pass_time(9 * 60 * 60)
        reminders = await office.replies()
        assert [reminder.text[:11] for reminder in reminders] == ["10/01 09:00", "10/01 17:00"]
        await office.say(GENERAL, "south-1", "!next")
        assert (await office.next_reply()).text.startswith("10/02 09:00")
