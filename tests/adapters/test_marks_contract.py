"""ports.marks.Marks, kept by every adapter; and what a file of marks does besides."""

import asyncio
from pathlib import Path

import pytest

from liaison.adapters.file_marks import FileMarks
from liaison.ports.marks import Marks, MarksUnavailableError
from tests.memory_marks import MemoryMarks


@pytest.fixture(params=["file", "memory"])
def marks(request: pytest.FixtureRequest, tmp_path: Path) -> Marks:
    return FileMarks(tmp_path / "marks") if request.param == "file" else MemoryMarks()


async def test_a_mark_that_was_never_raised_is_0(marks: Marks) -> None:
    assert await marks.get("south-2026") == 0


async def test_a_mark_goes_up_and_never_down(marks: Marks) -> None:
    for value in (3, 7, 5):
        await marks.raise_to("south-2026", value)
    assert await marks.get("south-2026") == 7


async def test_marks_of_other_names_stay(marks: Marks) -> None:
    await marks.raise_to("south-2026", 3)
    await marks.raise_to("north-2026", 9)
    assert (await marks.get("south-2026"), await marks.get("north-2026")) == (3, 9)


async def test_of_many_who_raise_a_mark_at_once_the_highest_stands(marks: Marks) -> None:
    async with asyncio.TaskGroup() as tasks:
        for value in (4, 9, 1, 6):
            tasks.create_task(marks.raise_to("south-2026", value))
    assert await marks.get("south-2026") == 9


async def test_a_file_keeps_marks_for_the_next_process(tmp_path: Path) -> None:
    await FileMarks(tmp_path / "marks").raise_to("south-2026", 3)
    again = FileMarks(tmp_path / "marks")
    assert await again.get("south-2026") == 3
    await again.raise_to("north-2026", 1)
    assert (tmp_path / "marks").read_text() == "north-2026 1\nsouth-2026 3\n"


async def test_what_was_half_written_counts_for_nothing(tmp_path: Path) -> None:
    marks = FileMarks(tmp_path / "marks")
    await marks.raise_to("south-2026", 3)
    (tmp_path / "marks.partial").write_text("south-2026 99")
    assert await FileMarks(tmp_path / "marks").get("south-2026") == 3


@pytest.mark.parametrize("text", ["south-2026", "south-2026 x", " 3", "south-2026 -1", "\xff"])
async def test_a_file_that_holds_something_else_gives_no_marks(text: str, tmp_path: Path) -> None:
    (tmp_path / "marks").write_text(text + "\n", encoding="latin-1")
    with pytest.raises(MarksUnavailableError):
        await FileMarks(tmp_path / "marks").get("south-2026")


async def test_a_mark_that_cannot_be_written_was_not_raised(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    marks = FileMarks(tmp_path / "file" / "marks")
    with pytest.raises(MarksUnavailableError):
        await marks.raise_to("south-2026", 3)
    (tmp_path / "file").unlink()
    assert await marks.get("south-2026") == 0
    await marks.raise_to("south-2026", 2)
    assert await marks.get("south-2026") == 2


async def test_of_many_processes_with_one_file_none_loses_what_another_has_raised(tmp_path: Path) -> None:
    files = [FileMarks(tmp_path / "marks") for _ in range(8)]
    async with asyncio.TaskGroup() as tasks:
        for place, marks in enumerate(files):
            tasks.create_task(marks.raise_to(f"name-{place}", place + 1))
    assert [await files[0].get(f"name-{place}") for place in range(8)] == list(range(1, 9))
