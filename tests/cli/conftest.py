"""An office's data, still empty, and the command line over it."""

import functools
from pathlib import Path

import pytest

from liaison.adapters.argon2_passwords import Argon2Passwords
from tests.cli.command_line import CommandLine


@pytest.fixture(autouse=True)
def _cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Real argon2id with less work; how much is tested where it belongs."""
    monkeypatch.setattr("liaison.wiring.Argon2Passwords", functools.partial(Argon2Passwords, memory_kib=64, passes=1))


@pytest.fixture
def liaison(tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path / "data")
