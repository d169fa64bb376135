"""A site for the tests of one file, and a history for each."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.torture.history_file import HistoryFile
from tests.torture.site import Site, site


@pytest.fixture(scope="module")
def whole_site() -> Iterator[Site]:
    with site() as running:
        yield running


@pytest.fixture
def history(tmp_path: Path) -> Iterator[HistoryFile]:
    with HistoryFile(tmp_path / "history.jsonl") as file:
        yield file
