"""People: added, listed, kept out, and never by a password among the arguments."""

import asyncio
from pathlib import Path

import pytest

from liaison.cli.exits import Exit
from liaison.config import load_config
from liaison.core.identifiers import UserId
from liaison.protocol.errors import Refused
from liaison.wiring import back_office
from tests.cli.command_line import PASSWORD, CommandLine


def may_sign_in(data: Path, user: str, password: str) -> bool:
    async def sign_in() -> bool:
        async with back_office(load_config(None, {}, {"data.directory": str(data)}), create=False) as office:
            try:
                return (await office.accounts.login(user, password, "", "127.0.0.1")).actor.account.user == user
            except Refused:
                return False

    return asyncio.run(sign_in())


def test_the_first_user_begins_the_office(liaison: CommandLine) -> None:
    liaison.add_user("kim", "--delegation", "south", "--name", "김 연락관")
    liaison.add_user("ri", "--delegation", "north", "--role", "head")
    liaison.add_user("ops", "--role", "ops")
    assert liaison.ok("user", "list", "--json").json == [
        {"user": "ops", "name": "ops", "delegation": "", "role": "ops", "active": True},
        {"user": "ri", "name": "ri", "delegation": "north", "role": "head", "active": True},
        {"user": "kim", "name": "김 연락관", "delegation": "south", "role": "official", "active": True},
    ]
    assert liaison.ok("user", "list").lines[2] == "kim\tsouth\tofficial\tactive\t김 연락관"
    assert may_sign_in(liaison.data, "kim", PASSWORD)


def test_no_office_is_begun_by_looking(liaison: CommandLine) -> None:
    for arguments in (["user", "list"], ["user", "disable", "kim"], ["token", "list"], ["channel", "list"], ["audit"]):
        finished = liaison.on(*arguments)
        assert (finished.code, "there is no office in" in finished.stderr) == (Exit.UNAVAILABLE, True)
    assert not liaison.data.exists()


@pytest.mark.parametrize(
    ("arguments", "password", "code", "message"),
    [
        (["lee"], PASSWORD, Exit.USAGE, "Give --delegation south or north"),
        (["lee", "--delegation", "east"], PASSWORD, Exit.BAD, "there is no delegation 'east'"),
        (["Lee", "--delegation", "south"], PASSWORD, Exit.BAD, "a user id is"),
        (["lee", "--delegation", "south"], "short", Exit.BAD, "a password has 10 to 256 characters"),
        (["lee", "--delegation", "south"], "", Exit.BAD, "there is no password in stdin"),
        (["ops", "--role", "ops", "--delegation", "south"], PASSWORD, Exit.BAD, "ops belong to neither delegation"),
        (["kim", "--delegation", "south"], PASSWORD, Exit.BAD, "there is an account 'kim' already"),
        (["lee", "--delegation", "south", "--role", "bot"], PASSWORD, Exit.USAGE, "'bot' is not one of"),
    ],
)
def test_adding_is_refused_in_one_line_that_says_why(
    liaison: CommandLine, arguments: list[str], password: str, code: Exit, message: str
) -> None:
    liaison.add_user("kim", "--delegation", "south")
    finished = liaison.on("user", "add", *arguments, "--password-file", "-", stdin=password)
    assert (finished.code, message in finished.stderr) == (code, True), finished.stderr
    assert len(liaison.ok("user", "list").lines) == 1


def test_what_is_wrong_is_said_before_a_password_is_asked_for(liaison: CommandLine) -> None:
    finished = liaison.on("user", "add", "lee", "--delegation", "east")
    assert (finished.code, "there is no delegation 'east'" in finished.stderr) == (Exit.BAD, True), finished.stderr


def test_without_a_terminal_a_file_must_hold_the_password(liaison: CommandLine, tmp_path: Path) -> None:
    finished = liaison.on("user", "add", "kim", "--delegation", "south")
    assert (finished.code, "--password-file" in finished.stderr) == (Exit.USAGE, True)
    file = tmp_path / "password"
    file.write_text(f"{PASSWORD}\r\nanother line\n")
    liaison.ok("user", "add", "kim", "--delegation", "south", "--password-file", str(file))
    assert may_sign_in(liaison.data, "kim", PASSWORD)


def test_a_disabled_user_is_kept_out_until_enabled(liaison: CommandLine) -> None:
    liaison.add_user("kim", "--delegation", "south")
    liaison.ok("user", "disable", "kim")
    assert not may_sign_in(liaison.data, "kim", PASSWORD)
    assert liaison.ok("user", "list", "--json").json[0]["active"] is False
    liaison.ok("user", "enable", "kim")
    assert may_sign_in(liaison.data, "kim", PASSWORD)


def test_a_new_password_takes_the_place_of_the_old(liaison: CommandLine) -> None:
    liaison.add_user("kim", "--delegation", "south")
    liaison.ok("user", "password", "kim", "--password-file", "-", stdin="another good one\n")
    assert not may_sign_in(liaison.data, "kim", PASSWORD)
    assert may_sign_in(liaison.data, "kim", "another good one")


def test_a_user_who_is_not_there_is_named(liaison: CommandLine) -> None:
    liaison.add_user("kim", "--delegation", "south")
    finished = liaison.on("user", "disable", "lee")
    assert (finished.code, finished.stderr) == (Exit.BAD, "liaison: there is no account 'lee'\n")


def test_one_time_codes_are_asked_for_until_they_are_not(liaison: CommandLine) -> None:
    liaison.add_user("kim", "--delegation", "south")
    address = liaison.ok("user", "code", "kim").stdout
    assert address.startswith("otpauth://totp/")
    assert not may_sign_in(liaison.data, "kim", PASSWORD)
    assert liaison.ok("user", "code", "kim", "--off").stdout == ""
    assert may_sign_in(liaison.data, "kim", PASSWORD)


def test_what_was_done_is_in_the_audit_log_by_whom(liaison: CommandLine) -> None:
    liaison.add_user("kim", "--delegation", "south")
    liaison.ok("user", "disable", UserId("kim"))
    fields = [line.split("\t") for line in liaison.ok("audit").lines]
    assert [(who.partition(":")[0], what, whom) for _, _, who, what, whom, _ in fields] == [
        ("cli", "account.added", "kim"),
        ("cli", "account.disabled", "kim"),
    ]
