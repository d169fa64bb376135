"""The command as a whole: quick, lazy, helpful, and with the exit codes it promises."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from liaison.cli.exits import Exit
from liaison.cli.root import _COMMANDS
from tests.cli.command_line import CommandLine

ROOT = Path(__file__).resolve().parents[2]


def python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT / "server")},
        capture_output=True,
        text=True,
        check=False,
    )


# Refuses what the base install lacks.
BASE_INSTALL = """
import sys
lacking = {lacking!r}
class BaseInstall:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in lacking:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name.partition(".")[0])
sys.meta_path.insert(0, BaseInstall())
from liaison.cli import main
main()
"""
SERVER_EXTRA = {"aiohttp", "alembic", "argon2", "cryptography", "prometheus_client", "pyotp", "redis", "rich"} | {
    "sqlalchemy",
    "structlog",
    "uvloop",
}


def test_every_command_is_in_the_help_with_its_line(liaison: CommandLine) -> None:
    text = liaison.run("--help").stdout
    for name, (_, line) in _COMMANDS.items():
        assert re.search(rf"^  {name} +{re.escape(line.split()[0])}", text, re.MULTILINE), name


@pytest.mark.parametrize("name", list(_COMMANDS))
def test_every_command_explains_itself(liaison: CommandLine, name: str) -> None:
    finished = liaison.run(name, "--help")
    assert finished.code == 0
    assert len(finished.stdout.splitlines()) > 4


def test_exit_codes_are_in_the_help(liaison: CommandLine) -> None:
    text = liaison.run("--help").stdout
    for code in Exit:
        assert f" {code.value} " in text


def test_a_misspelt_command_is_answered_with_the_nearest(liaison: CommandLine) -> None:
    finished = liaison.run("srve")
    assert (finished.code, "did you mean 'serve'?" in finished.stderr) == (Exit.USAGE, True)


def test_a_wrong_option_is_a_usage_error(liaison: CommandLine) -> None:
    assert liaison.run("user", "list", "--nothing").code == Exit.USAGE


def test_a_configuration_that_is_refused_stops_every_command(liaison: CommandLine) -> None:
    for arguments in (["user", "list"], ["serve"], ["demo"], ["checkconfig"], ["backup", "x"], ["audit"]):
        finished = liaison.run(*arguments, environment={"LIAISON_SERVER__PROT": "1"})
        assert finished.code == Exit.CONFIG, arguments
        assert finished.stderr.startswith("liaison: LIAISON_SERVER__PROT: there is no such setting")


def test_help_loads_no_library_that_only_a_command_needs() -> None:
    finished = python(
        "import sys; from liaison.cli.root import root; root.main(['--help'], standalone_mode=False);"
        " print([m for m in sys.argv[1:] if m in sys.modules])",
        *sorted(SERVER_EXTRA | {"asyncio", "msgspec", "websockets"}),
    )
    assert finished.stdout.splitlines()[-1] == "[]", finished.stderr


@pytest.mark.slow
def test_a_command_on_an_office_loads_neither_web_server_nor_drivers_that_it_has_no_use_for(tmp_path: Path) -> None:
    data = str(tmp_path / "data")
    assert (
        python("from liaison.cli import main; main()", "channel", "create", "joint/x", "--data", data).returncode == 0
    )
    finished = python(
        "import sys; from liaison.cli.root import root; root.main(sys.argv[1:], standalone_mode=False);"
        " print([m for m in ('aiohttp', 'alembic', 'psycopg', 'redis') if m in sys.modules])",
        *("channel", "list", "--data", data),
    )
    assert finished.stdout.splitlines()[-1] == "[]", finished.stderr


@pytest.mark.slow
def test_help_answers_at_once() -> None:
    def once() -> float:
        began_s = time.perf_counter()
        assert python("from liaison.cli import main; main()", "--help").returncode == 0
        return time.perf_counter() - began_s

    # The best of five, since what else runs on the machine isn't our doing.
    assert min(once() for _ in range(5)) < 0.3


@pytest.mark.slow
class TestBaseInstall:
    def test_server_commands_say_what_to_install(self) -> None:
        for command in ("serve", "user", "backup"):
            finished = python(BASE_INSTALL.format(lacking=SERVER_EXTRA), command, "list")
            assert finished.returncode == Exit.UNAVAILABLE
            assert re.fullmatch(
                rf"liaison: '{command}' needs \w+; install it by: pip install 'liaison\[server\]'\n", finished.stderr
            )

    def test_verify_and_send_and_tail_do_without_the_server(self, tmp_path: Path) -> None:
        empty = tmp_path / "record.ndjson"
        empty.touch()
        finished = python(BASE_INSTALL.format(lacking=SERVER_EXTRA), "verify", str(empty))
        assert (finished.returncode, "line 1: truncated" in finished.stderr) == (Exit.BAD, True)
        for command in (["send", "joint/general", "x"], ["tail", "joint/general"]):
            finished = python(BASE_INSTALL.format(lacking=SERVER_EXTRA), *command)
            assert (finished.returncode, "LIAISON_TOKEN" in finished.stderr) == (Exit.USAGE, True), finished.stderr

    def test_without_click_there_is_one_line(self) -> None:
        finished = python(BASE_INSTALL.format(lacking={"click"}), "serve")
        assert finished.returncode == Exit.UNAVAILABLE
        assert finished.stderr == (
            "liaison: the command line needs click; install it by: pip install 'liaison[server]'\n"
        )


@pytest.mark.slow
class TestUnforeseen:
    BUG = "import liaison.cli.root as r; r.root.invoke = lambda context: 1 / 0; r.run()"

    def test_a_bug_is_one_line_and_internal(self) -> None:
        finished = python(self.BUG, "audit")
        assert finished.returncode == Exit.INTERNAL
        assert finished.stderr.startswith("liaison: internal error: ZeroDivisionError")
        assert len(finished.stderr.splitlines()) == 1

    def test_debug_shows_where(self) -> None:
        finished = python(self.BUG, "--debug", "audit")
        assert "Traceback" in finished.stderr

    def test_a_reader_that_leaves_hears_no_complaint(self) -> None:
        read, write = os.pipe()
        os.close(read)
        with os.fdopen(write, "wb") as broken:
            finished = subprocess.run(
                [sys.executable, "-m", "liaison", "checkconfig", "--json"],
                env={**os.environ, "PYTHONPATH": str(ROOT / "server")},
                stdout=broken,
                stderr=subprocess.PIPE,
                check=False,
            )
        assert finished.stderr == b""
