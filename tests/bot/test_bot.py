import asyncio
import logging
import os
import signal
from pathlib import Path

import pytest

from liaison.bot import Bot, FinalClose, IncomingMessage, LoopBreaker, Position, Refused
from liaison.bot.bot import Surroundings, reply_key
from liaison.bot.cursor import FileCursors
from liaison.bot.harness import Harness
from liaison.bot.messages import Message
from liaison.protocol import frames
from liaison.protocol.close_codes import CloseCode
from liaison.protocol.errors import ErrorCode
from tests.bot.peer import GENERAL, TOKEN, Peer, RecordedTime, Talk, listening, message


def echo_bot(*, include_bots: bool = False, include_own: bool = False) -> Bot:
    bot = Bot("ws://harness", TOKEN, include_bots=include_bots, include_own=include_own)

    @bot.on_message(GENERAL)
    async def echo(message: IncomingMessage) -> None:
        await message.reply(f"{message.sender}: {message.text}")

    return bot


# Who is answered


async def test_people_of_both_sides_are_answered() -> None:
    async with Harness(echo_bot()) as office:
        for sender in ("south-1", "north-head"):
            await office.say(GENERAL, sender, "안녕")
            reply = await office.next_reply()
            assert (reply.text, reply.ref) == (f"{sender}: 안녕", reply.seq - 1)


async def test_own_messages_and_those_of_bots_are_ignored() -> None:
    async with Harness(echo_bot()) as office:
        await office.say(GENERAL, "north-bot", "beep")
        await office.say(GENERAL, "this-bot", "me")
        assert [reply.text for reply in await office.replies()] == ["me"]


async def test_bots_are_answered_when_asked_for() -> None:
    async with Harness(echo_bot(include_bots=True)) as office:
        await office.say(GENERAL, "north-bot", "beep")
        assert (await office.next_reply()).text == "north-bot: beep"


async def test_own_messages_come_when_asked_for_and_the_loop_breaker_ends_the_loop(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bot = echo_bot(include_own=True)
    bot.loop_breaker = LoopBreaker(max_in_a_row=3)
    async with Harness(bot) as office:
        await office.say(GENERAL, "south-1", "hi")
        assert len(await office.replies()) == 3
        assert "Held back a reply in joint/general: 3 replies in a row" in caplog.text
        await office.say(GENERAL, "south-1", "again")
        assert len(await office.replies()) == 3


async def test_two_bots_that_answer_each_other_stop_after_a_few_lines() -> None:
    async with Harness(echo_bot(include_bots=True)) as office:
        answers = 0
        await office.say(GENERAL, "north-bot", "hello")
        while replies := await office.replies():
            answers += len(replies)
            await office.say(GENERAL, "north-bot", f"you said {replies[-1].text[:20]}")
        assert answers == 8


async def test_corrections_and_reactions_are_no_new_messages() -> None:
    bot = Bot("ws://harness", TOKEN, include_own=True)

    @bot.on_message(GENERAL)
    async def note(message: IncomingMessage) -> None:
        if message.text == "go":
            await message.react("👍")
            await bot.client.correct(GENERAL, message.seq, "went")

    async with Harness(bot) as office:
        await office.say(GENERAL, "south-1", "go")
        await office.settled()
        assert [entry.kind for entry in office.entries(GENERAL)] == ["text", "reaction", "correction"]


# Order and errors


async def test_messages_of_a_channel_are_handled_in_order_while_other_channels_go_on() -> None:
    bot = Bot("ws://harness", TOKEN)
    may_go_on = asyncio.Event()
    steps: list[str] = []

    @bot.on_message(GENERAL, "joint/other")
    async def work(message: IncomingMessage) -> None:
        steps.append(f"begin {message.text}")
        if message.channel == GENERAL:
            await may_go_on.wait()
        steps.append(f"end {message.text}")
        await message.reply("done")

    async with Harness(bot) as office:
        await office.say(GENERAL, "south-1", "1")
        await office.say(GENERAL, "south-1", "2")
        await office.say("joint/other", "south-1", "3")
        assert (await office.next_reply()).channel == "joint/other"
        may_go_on.set()
        await office.settled()
    assert [step for step in steps if "3" not in step] == ["begin 1", "end 1", "begin 2", "end 2"]
    assert steps.index("end 3") < steps.index("end 1")


async def test_handler_that_fails_is_logged_with_a_reference_and_the_bot_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bot = Bot("ws://harness", TOKEN)

    @bot.on_message(GENERAL)
    async def fail(message: IncomingMessage) -> None:
        if message.text == "bad":
            raise ZeroDivisionError("mine")
        await message.reply("ok")

    async with Harness(bot) as office:
        await office.say(GENERAL, "south-1", "bad")
        await office.say(GENERAL, "south-1", "good")
        assert [reply.text for reply in await office.replies()] == ["ok"]
    (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert "fail on joint/general 1:1 failed (reference " in record.getMessage()
    assert record.exc_info is not None


# Commands, timers, start


async def test_command_gets_what_follows_its_word_and_nothing_else() -> None:
    bot = Bot("ws://harness", TOKEN)

    @bot.command("!echo", GENERAL)
    async def echo(message: IncomingMessage, words: str) -> None:
        await message.reply(f"<{words}>")

    async with Harness(bot) as office:
        for text in ("!echo  hi there ", "!echo", "!echoes", "say !echo"):
            await office.say(GENERAL, "south-1", text)
        assert [reply.text for reply in await office.replies()] == ["<hi there>", "<>"]


async def test_timer_runs_in_virtual_time_and_outlives_its_errors() -> None:
    bot = Bot("ws://harness", TOKEN)
    runs = 0

    @bot.every(10)
    async def tick() -> None:
        nonlocal runs
        runs += 1
        if runs == 2:
            raise ValueError("mine")
        await bot.say(GENERAL, f"tick {runs}")

    async with Harness(bot) as office:
        await office.pass_time(9.9)
        assert runs == 0
        await office.pass_time(30.1)
        assert [(await office.next_reply()).text for _ in range(3)] == ["tick 1", "tick 3", "tick 4"]


async def test_start_handler_runs_once_before_messages() -> None:
    bot = echo_bot()

    @bot.on_start
    async def greet() -> None:
        await bot.say(GENERAL, f"{bot.user} is here")

    async with Harness(bot) as office:
        assert (await office.next_reply()).text == "this-bot is here"
        await office.say(GENERAL, "south-1", "hi")
        assert (await office.next_reply()).text == "south-1: hi"


def test_handler_needs_a_channel_and_a_timer_a_time() -> None:
    bot = Bot("ws://harness", TOKEN)
    with pytest.raises(ValueError, match="at least one channel"):
        bot.on_message()
    with pytest.raises(ValueError, match="at least one channel"):
        # As a decorator without its brackets: the handler would be taken for a channel, and never be called.
        bot.on_message(echo_bot)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="greater than 0"):
        bot.every(0)


def test_handler_that_is_not_async_is_refused_when_it_is_registered() -> None:
    bot = Bot("ws://harness", TOKEN)

    def plain(*_: object) -> None: ...

    for register in (bot.on_message(GENERAL), bot.command("!x", GENERAL), bot.every(1), bot.on_start):
        with pytest.raises(TypeError, match="async def plain"):
            register(plain)  # type: ignore[type-var]


# The cursor


async def test_first_start_replays_nothing_and_a_restart_misses_nothing() -> None:
    bot = echo_bot()
    harness = Harness(bot)
    await harness.say(GENERAL, "south-1", "before the first start")
    async with harness as office:
        assert await office.replies() == []
        await office.say(GENERAL, "south-1", "one")
        await office.settled()
        bot.stop()
        await office.say(GENERAL, "south-1", "while away")
        await office.restart()
        assert [reply.text for reply in await office.replies()] == ["south-1: one", "south-1: while away"]


async def serve_once(bot: Bot, peer: Peer, *, cursors: FileCursors) -> tuple[asyncio.Task[None], Talk]:
    surroundings = Surroundings(time=RecordedTime(), cursors=cursors)
    serving = asyncio.ensure_future(bot.serve(surroundings))
    return serving, await peer.welcome()


async def test_crash_between_reply_and_cursor_does_not_answer_twice(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with listening() as peer:
        keys = []
        for answer in ("first run", "second run"):
            bot = Bot(peer.url, TOKEN)

            @bot.on_message(GENERAL)
            async def reply(message: IncomingMessage, answer: str = answer) -> None:
                assert await message.reply(answer) is None or answer == "first run"

            cursors = FileCursors(tmp_path / "cursor")
            serving, talk = await serve_once(bot, peer, cursors=cursors)
            command = await talk.subscribed(head=4)
            if answer == "second run":
                assert command.position == frames.WirePosition(1, 4)
            await talk.send(message(5, "hi"))
            publish = await talk.expect(frames.Publish)
            keys.append(publish.key)
            assert publish.reply_to == 5
            if answer == "first run":
                # Killed before the answer to the reply, and so before the cursor moves.
                serving.cancel()
                await asyncio.wait([serving])
            else:
                await talk.refuse(publish, ErrorCode.CONFLICT)
                await talk.send(message(6, "bye"))
                assert (await talk.expect(frames.Publish)).reply_to == 6
                assert cursors.position(GENERAL) == Position(1, 5)
                bot.stop()
                await talk.close(CloseCode.REVOKED)
                with pytest.raises(FinalClose):
                    await serving
        assert keys[0] == keys[1]
        # That the office has another answer already is no failure of the handler.
        assert "failed" not in caplog.text


async def test_message_that_comes_again_after_a_restore_is_not_handled_again(tmp_path: Path) -> None:
    async with listening() as peer:
        bot = echo_bot()
        bot._url = peer.url
        serving, talk = await serve_once(bot, peer, cursors=FileCursors(tmp_path / "cursor"))
        await talk.subscribed(head=4)
        await talk.send(message(5, "hi", key="theirs"))
        await talk.published(6)
        await talk.send(frames.Reset(GENERAL, 2, 2))
        await talk.send(message(3, "hi", key="theirs", epoch=2))
        await talk.send(message(4, "new", key="other", epoch=2))
        # The bot's own reply is offered again, and then the new message is answered.
        assert (await talk.published(5, epoch=2)).text == "south-1: hi"
        assert (await talk.published(6, epoch=2)).text == "south-1: new"
        bot.stop()
        await serving


def test_reply_key_is_the_same_in_every_run_and_differs_by_message_and_number() -> None:
    entry = Message(GENERAL, 1, 5, 0, "south-1", "south", "k", "text", b"")
    restored = Message(GENERAL, 2, 9, 0, "south-1", "south", "k", "text", b"")
    other = Message(GENERAL, 1, 5, 0, "north-1", "north", "k", "text", b"")
    keys = [reply_key("bot", each, what) for each in (entry, other) for what in ("reply 0.1", "reply 0.2")]
    assert len(set(keys)) == 4
    assert keys[0] == reply_key("bot", restored, "reply 0.1")


# Membership and ends


async def test_bot_waits_for_membership_and_begins_when_it_comes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with listening() as peer:
        bot = echo_bot()
        bot._url = peer.url
        serving, talk = await serve_once(bot, peer, cursors=FileCursors(tmp_path / "cursor"))
        await talk.refuse(await talk.expect(frames.Subscribe), ErrorCode.NO_SUCH_CHANNEL)
        await talk.send(frames.ChannelPush("added", "joint/unrelated"))
        await talk.send(frames.ChannelPush("added", GENERAL))
        await talk.subscribed(head=0)
        await talk.send(message(1, "hi"))
        await talk.published(2)
        assert "Can't follow joint/general" in caplog.text
        bot.stop()
        await serving


async def test_bot_ends_when_it_is_sent_away(tmp_path: Path) -> None:
    async with listening() as peer:
        bot = Bot(peer.url, TOKEN)
        serving, talk = await serve_once(bot, peer, cursors=FileCursors(tmp_path / "cursor"))
        await talk.close(CloseCode.REVOKED, "token revoked")
        with pytest.raises(FinalClose, match="token revoked"):
            await serving


async def test_stop_lets_the_handler_at_work_finish_and_moves_the_cursor() -> None:
    bot = Bot("ws://harness", TOKEN)
    began, may_end = asyncio.Event(), asyncio.Event()

    @bot.on_message(GENERAL)
    async def work(message: IncomingMessage) -> None:
        began.set()
        await may_end.wait()
        await message.reply("done")

    async with Harness(bot) as office:
        await office.say(GENERAL, "south-1", "work")
        await office.say(GENERAL, "south-1", "more work")
        await began.wait()
        bot.stop()
        may_end.set()
        assert (await office.next_reply()).text == "done"
        await office.restart()
        # The second message was not begun before the stop, so it is handled after it.
        assert [reply.ref for reply in await office.replies()] == [2]


async def test_stop_cuts_off_a_handler_that_does_not_end(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("liaison.bot.bot.STOP_GRACE_S", 0.01)
    bot = Bot("ws://harness", TOKEN)

    @bot.on_message(GENERAL)
    async def hang(_message: IncomingMessage) -> None:
        await asyncio.Event().wait()

    async with Harness(bot) as office:
        await office.say(GENERAL, "south-1", "hang")
    assert "still at work" in caplog.text


async def test_stop_ends_a_bot_that_never_reached_a_server() -> None:
    bot = Bot("ws://127.0.0.1:9", TOKEN)
    serving = asyncio.ensure_future(bot.serve())
    await asyncio.sleep(0)
    bot.stop()
    async with asyncio.timeout(5):
        await serving


async def test_cursor_that_can_not_be_stored_does_not_stop_the_bot(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class FullDisk(FileCursors):
        async def store(self, channel: str, position: Position) -> None:
            raise OSError("No space left on device")

    async with listening() as peer:
        bot = echo_bot()
        bot._url = peer.url
        serving, talk = await serve_once(bot, peer, cursors=FullDisk(tmp_path / "cursor"))
        await talk.subscribed(head=0)
        for seq in (1, 2):
            await talk.send(message(seq, "hi"))
            await talk.published(seq + 1)
        assert "Can't store the cursor: No space left" in caplog.text
        bot.stop()
        await serving


async def test_refusal_in_a_handler_is_logged_with_the_servers_reference(caplog: pytest.LogCaptureFixture) -> None:
    bot = Bot("ws://harness", TOKEN)
    refusals: list[Refused] = []

    @bot.on_message(GENERAL)
    async def work(message: IncomingMessage) -> None:
        await bot.say(GENERAL, "one", key="same")
        try:
            await bot.say(GENERAL, "two", key="same")
        except Refused as refused:
            refusals.append(refused)
            raise

    async with Harness(bot) as office:
        await office.say(GENERAL, "south-1", "go")
        await office.settled()
    assert refusals[0].name == "conflict"
    assert "reference harness0" in caplog.text


# The environment and the process


def test_environment_names_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="Set LIAISON_URL"):
        Bot.from_env({})
    with pytest.raises(SystemExit, match="Set LIAISON_TOKEN"):
        Bot.from_env({"LIAISON_URL": "wss://office.example"})
    with pytest.raises(SystemExit, match="LIAISON_TOKEN_FILE can't be read"):
        Bot.from_env({"LIAISON_URL": "wss://office.example", "LIAISON_TOKEN_FILE": str(tmp_path / "none")})
    with pytest.raises(SystemExit, match=r"LIAISON_URL: '127\.0\.0\.1:8000' is no office's address"):
        Bot.from_env({"LIAISON_URL": "127.0.0.1:8000", "LIAISON_TOKEN": TOKEN})


def test_environment_may_name_files_for_token_and_cursor(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    environment = {
        "LIAISON_URL": "wss://office.example",
        "LIAISON_TOKEN_FILE": str(tmp_path / "token"),
        "LIAISON_CURSOR": str(tmp_path / "cursor"),
    }
    bot = Bot.from_env(environment)
    assert bot._token == TOKEN
    assert bot._cursor_file == tmp_path / "cursor"
    assert TOKEN not in repr(bot)


async def test_sigterm_stops_the_bot() -> None:
    bot = Bot("ws://127.0.0.1:9", TOKEN)
    running = asyncio.ensure_future(bot._run_until_signalled())
    await asyncio.sleep(0)
    os.kill(os.getpid(), signal.SIGTERM)
    async with asyncio.timeout(5):
        await running
