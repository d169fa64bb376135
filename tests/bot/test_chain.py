"""A bot finds a history out that contradicts what it saw, and its links are those of the vectors."""

import json
from dataclasses import replace
from pathlib import Path

from liaison.bot.chain import GENESIS, ChainWatch, link_of
from liaison.bot.messages import Message

CHAIN = json.loads((Path(__file__).resolve().parents[1] / "vectors" / "chain.json").read_text(encoding="utf-8"))


def messages() -> list[Message]:
    return [
        Message(**{**row, "epoch": 1, "link": bytes.fromhex(row["link"]), "mentions": tuple(row["mentions"])})
        for row in CHAIN
    ]


def test_links_are_those_of_the_vectors() -> None:
    link = GENESIS
    for message in messages():
        link = link_of(link, message)
        assert link == message.link


def test_a_true_history_contradicts_nothing_also_where_some_of_it_was_not_seen_or_comes_twice() -> None:
    watch = ChainWatch()
    first, second, third, fourth, *_ = messages()
    assert [watch.contradiction(message) for message in (first, second, second, first, fourth, third)] == [""] * 6
    assert watch.rolled_back(first.channel, 4) == ""


def test_what_does_not_follow_is_another_or_is_gone_is_told_once() -> None:
    first, second, third, *_ = messages()
    watch = ChainWatch()
    assert watch.contradiction(first) == ""
    assert "message 2 does not follow from message 1" in watch.contradiction(replace(second, text="다른 글"))
    assert watch.contradiction(third) == ""
    assert "message 3 is another one" in watch.contradiction(replace(third, link=bytes(32)))
    assert "ends after message 2, and message 3 was seen" in watch.rolled_back(first.channel, 2)
    assert watch.rolled_back(first.channel, 2) == ""
    assert "message 1 does not follow" in ChainWatch().contradiction(replace(first, key="other"))
