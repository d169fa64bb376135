"""Tokens of bots: printed once, listed without what is secret, and revoked together."""

import re

from liaison.cli.exits import Exit
from tests.cli.command_line import CommandLine


def create(liaison: CommandLine, name: str, *options: str) -> str:
    return liaison.ok("token", "create", name, "--delegation", "south", *options).stdout


def test_creating_prints_the_token_and_nothing_else(liaison: CommandLine) -> None:
    liaison.ok("channel", "create", "joint/general")
    assert re.fullmatch(r"lsn_[A-Za-z0-9_-]{43}\n", create(liaison, "echo", "--channel", "joint/general"))


def test_the_list_holds_no_secret(liaison: CommandLine) -> None:
    token = create(liaison, "echo", "--expires-days", "1").strip()
    finished = liaison.ok("token", "list", "--json")
    (listed,) = finished.json
    assert listed["expires_ms"] - listed["created_ms"] == 24 * 3600 * 1000
    assert listed["user"] == "echo"
    assert token not in finished.stdout
    assert token.removeprefix("lsn_")[:8] not in liaison.ok("token", "list").stdout


def test_a_bot_belongs_to_the_channels_named_and_no_other(liaison: CommandLine) -> None:
    for channel in ("joint/general", "joint/weather", "south/desk"):
        liaison.ok("channel", "create", channel)
    create(liaison, "echo", "--channel", "joint/general", "--channel", "south/desk")
    members = {one["channel"]: one["members"] for one in liaison.ok("channel", "list", "--json").json}
    assert {channel: names for channel, names in members.items() if names} == {
        "joint/general": ["echo"],
        "south/desk": ["echo"],
    }
    assert members["joint/weather"] == []


def test_a_bot_can_not_be_given_the_other_sides_channel(liaison: CommandLine) -> None:
    liaison.ok("channel", "create", "north/desk")
    finished = liaison.on("token", "create", "echo", "--delegation", "south", "--channel", "north/desk")
    assert (finished.code, finished.stdout) == (Exit.BAD, "")
    assert "it isn't for that account's side" in finished.stderr
    assert liaison.ok("user", "list").lines == []


def test_a_channel_that_is_not_there_is_named(liaison: CommandLine) -> None:
    finished = liaison.on("token", "create", "echo", "--delegation", "south", "--channel", "joint/nothing")
    assert finished.code == Exit.BAD
    assert "there is no channel 'joint/nothing'" in finished.stderr


def test_revoking_ends_all_tokens_of_a_bot_and_of_no_other(liaison: CommandLine) -> None:
    for name in ("echo", "echo", "bridge"):
        create(liaison, name)
    assert "2 revoked" in liaison.ok("token", "revoke", "echo").stderr
    assert [one["user"] for one in liaison.ok("token", "list", "--json").json] == ["bridge"]


def test_a_token_lives_at_least_a_day(liaison: CommandLine) -> None:
    finished = liaison.on("token", "create", "echo", "--delegation", "south", "--expires-days", "0")
    assert finished.code == Exit.USAGE
