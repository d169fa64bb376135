"""An office's data, still empty, and the command line over it."""

from pathlib import Path

import pytest

from tests.cli.command_line import CommandLine


@pytest.fixture
def liaison(tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path / "data")
