"""Work on a line gets its turn or an answer, and never both; no server is needed for that."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from liaison.adapters.postgres_lines import Line, Lines, PostgresSettings
from liaison.adapters.sql_writer import StorageUnavailableError


@pytest.fixture
def lines() -> Iterator[Lines]:
    lines = Lines(PostgresSettings("postgresql://nowhere", "test", statement_timeout_s=0.01), 1, "line")
    yield lines
    lines.close()


async def test_work_that_was_given_up_before_its_turn_is_never_done(lines: Lines) -> None:
    go, done = threading.Event(), []
    first = lines.start(lambda _line: go.wait())
    second = lines.start(lambda _line: done.append("second"))
    with pytest.raises(StorageUnavailableError, match="doesn't answer"):
        await second
    go.set()
    assert await first
    assert await lines.start(lambda _line: "goes on") == "goes on"
    assert done == []


async def test_work_that_takes_too_long_is_cut_off_and_says_itself_what_became_of_it(
    lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut = threading.Event()
    monkeypatch.setattr(Line, "abort", lambda _line: cut.set())
    assert await lines.start(lambda _line: cut.wait(5) and "what it says") == "what it says"


async def test_work_in_time_is_not_cut_off_later(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    cut: list[Line] = []
    monkeypatch.setattr(Line, "abort", cut.append)
    assert await lines.start(lambda line: line) is await lines.start(lambda line: line)
    await asyncio.sleep(0.03)
    assert cut == []


async def test_closed_lines_take_nothing(lines: Lines) -> None:
    lines.close()
    with pytest.raises(StorageUnavailableError, match="closed"):
        lines.start(lambda _line: None)
