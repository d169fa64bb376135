"""What is shown at a terminal, and only there."""

import os
import pty
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest

from liaison.cli.progress import progress_bar
from liaison.cli.tables import show_table
from tests.cli.command_line import CommandLine

ROOT = Path(__file__).resolve().parents[2]


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_long_work_shows_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with progress_bar("Exporting joint/general") as progress:
        progress(1, 2)
    shown = terminal.getvalue()
    assert "Exporting joint/general" in shown
    assert "50%" in shown


def test_elsewhere_it_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    file = StringIO()
    monkeypatch.setattr(sys, "stderr", file)
    with progress_bar("Exporting joint/general") as progress:
        progress(1, 2)
    assert file.getvalue() == ""


def test_a_table_has_headings_at_a_terminal_and_takes_no_name_for_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", "80")
    show_table(("User", "Name"), [("kim", "[bold]김[/bold]")])
    shown = terminal.getvalue()
    assert "User" in shown
    assert "[bold]김[/bold]" in shown


@pytest.mark.system
def test_a_password_is_asked_for_twice_and_not_shown(tmp_path: Path) -> None:
    terminal, side = pty.openpty()
    try:
        with subprocess.Popen(
            [sys.executable, "-m", "liaison", "user", "add", "kim", "--delegation", "south", "--data", str(tmp_path)],
            env={**os.environ, "PYTHONPATH": str(ROOT / "server")},
            stdin=side,
            stdout=side,
            stderr=side,
            # Without a controlling terminal getpass takes the one that it was given.
            start_new_session=True,
        ) as process:
            shown = _until(terminal, b"New password of kim: ")
            os.write(terminal, b"correct horse battery\n")
            shown += _until(terminal, b"Repeat for confirmation: ")
            os.write(terminal, b"correct horse battery\n")
            assert process.wait(20) == 0
    finally:
        os.close(side)
        os.close(terminal)
    assert b"horse" not in shown
    assert CommandLine(tmp_path).ok("user", "list").lines == ["kim\tsouth\tofficial\tactive\tkim"]


def _until(terminal: int, prompt: bytes) -> bytes:
    shown = b""
    while prompt not in shown:
        shown += os.read(terminal, 1024)
    return shown
