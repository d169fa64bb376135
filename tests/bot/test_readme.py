"""The README's Python runs as it stands there: each block as a program of its own, with a peer where it needs one."""

import re
from pathlib import Path

from liaison.bot import IncomingMessage
from tests.bot.peer import Peer, listening, message
from tests.bot.programs import SERVER, finished, program

README = (SERVER / "liaison/bot/README.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


async def answers(peer: Peer, sent: str, *, first: tuple[str, ...] = ()) -> str:
    talk = await peer.welcome()
    for seq, text in enumerate(first, start=1):
        assert (await talk.published(seq)).text == text
    await talk.subscribed(head=len(first))
    await talk.send(message(len(first) + 1, sent))
    return (await talk.published(len(first) + 2)).text


def test_every_block_is_run_here() -> None:
    assert len(BLOCKS) == 4


async def test_bot_in_ten_lines(tmp_path: Path) -> None:
    assert len([line for line in BLOCKS[0].splitlines() if line]) <= 10
    async with listening() as peer, program("-c", BLOCKS[0], url=peer.url, cursor=tmp_path / "cursor") as process:
        assert await answers(peer, "!echo 안녕") == "안녕"
        process.terminate()
        await finished(process)


async def test_commands_timers_and_start(tmp_path: Path) -> None:
    async with listening() as peer, program("-c", BLOCKS[1], url=peer.url, cursor=tmp_path / "cursor") as process:
        assert await answers(peer, "!add 19 23", first=("south-bot is here",)) == "42"
        process.terminate()
        await finished(process)


async def test_dialogue_in_the_harness(tmp_path: Path) -> None:
    async with program("-c", BLOCKS[2], url="", cursor=tmp_path / "none") as process:
        await finished(process)


async def test_client_alone(tmp_path: Path) -> None:
    async with listening() as peer, program("-c", BLOCKS[3], url=peer.url, cursor=tmp_path / "none") as process:
        talk = await peer.welcome()
        assert (await talk.published(7)).text == "Gate 3 opens at 14:00"
        assert (await talk.subscribed(from_seq=6, head=7)).tail == 20
        await talk.send(message(7, "Gate 3 opens at 14:00", sender="south-bot"))
        output, _ = await finished(process)
        assert output == "on the record as 7\nsouth-bot Gate 3 opens at 14:00\n"


def test_what_a_message_has_is_told() -> None:
    (told,) = re.findall(r"^A message has (.*?)\. Answer by ", README, re.DOTALL | re.MULTILINE)
    has = {name for name in vars(IncomingMessage) if not name.startswith("_")} | {"entry"}
    assert set(re.findall(r"`(\w+)`", told)) | {"reply", "react"} == has


def test_readme_states_the_numbers_that_the_code_has() -> None:
    from liaison.bot import LoopBreaker
    from liaison.bot.bot import STOP_GRACE_S
    from liaison.bot.connection import REQUEST_TIMEOUT_S

    bounds = LoopBreaker()
    assert f"at most {bounds._max_in_a_row} times in a row" in README
    assert f"at most {bounds._max_per_minute} times a minute" in README
    assert f"finish ({STOP_GRACE_S:g} s)" in README
    assert f"within {REQUEST_TIMEOUT_S:g} s" in README
