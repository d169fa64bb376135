import asyncio

import pytest

from liaison.bot import Bot, IncomingMessage
from liaison.bot.harness import Harness, VirtualTime

GENERAL = "joint/general"


@pytest.fixture
def bot() -> Bot:
    return Bot("ws://harness", "lsn_test")


async def test_bot_that_says_nothing_fails_the_test(bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("liaison.bot.harness.PATIENCE_S", 0.02)
    bot.on_message(GENERAL)(_keep_quiet)
    async with Harness(bot) as office:
        await office.say(GENERAL, "south-1", "hello?")
        with pytest.raises(AssertionError, match="the bot said nothing"):
            await office.next_reply()
        assert await office.replies() == []


async def test_bot_that_does_not_finish_fails_the_test(bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("liaison.bot.harness.PATIENCE_S", 0.02)
    monkeypatch.setattr("liaison.bot.bot.STOP_GRACE_S", 0.02)

    @bot.on_message(GENERAL)
    async def hang(_message: IncomingMessage) -> None:
        await asyncio.Event().wait()

    async with Harness(bot) as office:
        await office.say(GENERAL, "south-1", "hello?")
        with pytest.raises(AssertionError, match="not done"):
            await office.settled()


async def test_only_people_of_the_office_speak(bot: Bot) -> None:
    async with Harness(bot, people={"north-1": "official"}) as office:
        await office.say(GENERAL, "north-1", "hi")
        with pytest.raises(ValueError, match="no south-1 in this office"):
            await office.say(GENERAL, "south-1", "hi")


async def test_bot_can_ask_what_it_can_ask_a_server(bot: Bot) -> None:
    answers: list[object] = []

    @bot.on_message(GENERAL)
    async def ask(message: IncomingMessage) -> None:
        client = bot.client
        answers.extend(
            [
                [entry.text for entry in (await client.history(GENERAL, limit=2)).messages],
                [entry.text for entry in (await client.history(GENERAL, after=1)).messages],
                [entry.text for entry in (await client.history(GENERAL, before=2)).messages],
                [entry.text for entry in (await client.search("o", channel=GENERAL)).messages],
                (await client.channels())[GENERAL].head,
                (await client.presence()).users,
            ]
        )
        await client.typing(GENERAL)
        await client.read(GENERAL, message.seq)

    harness = Harness(bot)
    await harness.say(GENERAL, "south-1", "one")
    await harness.say(GENERAL, "south-1", "two")
    async with harness as office:
        await office.say(GENERAL, "north-1", "three")
        await office.settled()
    assert answers == [["two", "three"], ["two", "three"], ["one"], ["two", "one"], 3, ()]


async def test_withdrawals_are_on_the_record(bot: Bot) -> None:
    @bot.on_message(GENERAL)
    async def regret(message: IncomingMessage) -> None:
        said = await message.reply("oops")
        assert said is not None
        await bot.client.withdraw(GENERAL, said.seq)

    async with Harness(bot) as office:
        await office.say(GENERAL, "south-1", "hi")
        await office.settled()
        assert [(entry.kind, entry.ref) for entry in office.entries(GENERAL)] == [
            ("text", 0),
            ("text", 1),
            ("withdrawal", 2),
        ]


async def test_virtual_time_wakes_sleepers_in_order_at_their_own_moments() -> None:
    time = VirtualTime()
    woken: list[tuple[str, float]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await time.sleep(seconds)
        woken.append((name, time.monotonic_s()))

    async with asyncio.TaskGroup() as tasks:
        for name, seconds in (("late", 30), ("early", 10), ("beyond", 61)):
            tasks.create_task(sleeper(name, seconds))
        await time.pass_time(60)
        assert woken == [("early", 10), ("late", 30)]
        assert time.monotonic_s() == 60
        await time.pass_time(1)
    assert woken[-1] == ("beyond", 61)


async def _keep_quiet(_message: IncomingMessage) -> None:
    return
