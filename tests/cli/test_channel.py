"""Channels and their members."""

from typing import Any

import pytest

from liaison.cli.exits import Exit
from tests.cli.command_line import CommandLine


def channels(liaison: CommandLine) -> dict[str, Any]:
    return {one["channel"]: one for one in liaison.ok("channel", "list", "--json").json}


def test_people_join_the_channels_of_their_side_by_themselves(liaison: CommandLine) -> None:
    liaison.add_user("kim", "--delegation", "south")
    liaison.add_user("ri", "--delegation", "north")
    liaison.ok("channel", "create", "joint/통행", "--title-ko", "통행 협조", "--title-en", "Crossings")
    liaison.ok("channel", "create", "north/desk")
    found = channels(liaison)
    assert found["joint/통행"]["title"] == {"ko": "통행 협조", "en": "Crossings"}
    assert found["joint/통행"]["members"] == ["kim", "ri"]
    assert found["north/desk"]["members"] == ["ri"]
    assert liaison.ok("channel", "list").lines == ["joint/통행\t2\t통행 협조 · Crossings", "north/desk\t1\tdesk · desk"]


def test_a_closed_channel_has_only_whom_one_adds(liaison: CommandLine) -> None:
    for user in ("kim", "lee", "han"):
        liaison.add_user(user, "--delegation", "south")
    liaison.ok("channel", "create", "south/heads", "--closed", "--member", "kim")
    liaison.ok("channel", "add-member", "south/heads", "lee", "--read-only")
    assert channels(liaison)["south/heads"]["members"] == ["kim", "lee"]
    liaison.ok("channel", "remove-member", "south/heads", "kim")
    assert channels(liaison)["south/heads"]["members"] == ["lee"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["create", "joint/general"], "there is a channel 'joint/general' already"),
        (["create", "east/desk"], "there is no delegation 'east'"),
        (["create", "General"], "a channel is joint/NAME"),
        (["create", "dm/kim+lee"], "a direct channel comes to be when somebody opens it"),
        (["create", "north/new", "--member", "kim"], "'kim' can't be a member of 'north/new'"),
        (["create", "south/new", "--member", "han"], "there is no account 'han'"),
        (["add-member", "joint/nothing", "kim"], "there is no channel 'joint/nothing'"),
        (["remove-member", "joint/nothing", "kim"], "there is no channel 'joint/nothing'"),
        (["add-member", "joint/general", "han"], "there is no account 'han'"),
    ],
)
def test_what_is_refused_says_why_and_changes_nothing(liaison: CommandLine, arguments: list[str], message: str) -> None:
    liaison.add_user("kim", "--delegation", "south")
    liaison.ok("channel", "create", "joint/general")
    before = channels(liaison)
    finished = liaison.on("channel", *arguments)
    assert finished.code == Exit.BAD
    assert message in finished.stderr
    assert len(finished.stderr.splitlines()) == 1
    assert channels(liaison) == before


def test_a_joint_channels_members_need_both_sides_or_a_reason_that_both_will_read(liaison: CommandLine) -> None:
    liaison.add_user("kim", "--delegation", "south")
    liaison.ok("channel", "create", "joint/general", "--closed")
    finished = liaison.on("channel", "add-member", "joint/general", "kim")
    assert finished.code == Exit.BAD
    assert "a proposal that a head of each approves" in finished.stderr
    assert channels(liaison)["joint/general"]["members"] == []
    spoilt = liaison.on("channel", "add-member", "joint/general", "kim", "--by-operator", " ")
    assert (spoilt.code, "one line" in spoilt.stderr) == (Exit.BAD, True)
    liaison.ok("channel", "add-member", "joint/general", "kim", "--by-operator", "both heads asked by telephone")
    assert channels(liaison)["joint/general"]["members"] == ["kim"]
    liaison.ok("channel", "remove-member", "joint/general", "kim", "--by-operator", "and asked again")
    told = [line for line in liaison.ok("export", "joint/administration").lines if "by_operator" in line]
    assert ["both heads asked by telephone" in line for line in told] == [True, False]
    assert "and asked again" in told[1]


def test_a_bot_that_is_given_a_joint_channel_is_on_both_sides_record(liaison: CommandLine) -> None:
    liaison.ok("channel", "create", "joint/general")
    liaison.ok("token", "create", "weather", "--delegation", "north", "--channel", "joint/general", "--read-only")
    (told,) = [line for line in liaison.ok("export", "joint/administration").lines if "by_operator" in line]
    assert "weather" in told
    assert "a token was created" in told
