import asyncio
import os
from pathlib import Path

import pytest

from liaison.bot import BrokenCursorError, Position
from liaison.bot.cursor import FileCursors, default_path


async def test_positions_outlive_the_process(tmp_path: Path) -> None:
    path = tmp_path / "state" / "bot.json"
    cursors = FileCursors(path)
    assert cursors.position("joint/general") is None
    await cursors.store("joint/general", Position(1, 7))
    await cursors.store("dm/가+나", Position(2, 3))
    again = FileCursors(path)
    assert again.position("joint/general") == Position(1, 7)
    assert again.position("dm/가+나") == Position(2, 3)
    assert list(path.parent.iterdir()) == [path]


async def test_channels_that_store_at_once_do_not_undo_each_other(tmp_path: Path) -> None:
    cursors = FileCursors(tmp_path / "bot.json")
    async with asyncio.TaskGroup() as tasks:
        for number in range(20):
            tasks.create_task(cursors.store(f"joint/{number}", Position(1, number)))
    again = FileCursors(tmp_path / "bot.json")
    assert [again.position(f"joint/{number}") for number in range(20)] == [Position(1, n) for n in range(20)]


async def test_crash_before_the_rename_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "bot.json"
    cursors = FileCursors(path)
    await cursors.store("joint/general", Position(1, 7))

    def crash(self: Path, target: Path) -> Path:
        raise OSError("power cut")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", crash)
        with pytest.raises(OSError, match="power cut"):
            await cursors.store("joint/general", Position(1, 8))
    assert FileCursors(path).position("joint/general") == Position(1, 7)
    assert cursors.position("joint/general") == Position(1, 8)


async def test_bytes_are_synced_before_the_rename_and_the_directory_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def noted_fsync(descriptor: int) -> None:
        steps.append("sync " + Path(f"/proc/self/fd/{descriptor}").readlink().name)
        fsync(descriptor)

    def noted_replace(self: Path, target: Path) -> Path:
        steps.append("rename")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(Path, "replace", noted_replace)
    await FileCursors(tmp_path / "bot.json").store("joint/general", Position(1, 1))
    assert steps == ["sync bot.json.new", "rename", f"sync {tmp_path.name}"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"joint/general": 7}', '{"joint/general": {"epoch": "x", "seq": 1}}'])
def test_file_that_is_no_cursor_is_named_and_not_skipped(tmp_path: Path, text: str) -> None:
    (tmp_path / "bot.json").write_text(text)
    with pytest.raises(BrokenCursorError, match=r"bot\.json is not a cursor file.*delete it"):
        FileCursors(tmp_path / "bot.json")


def test_default_file_follows_the_state_directory_and_the_account() -> None:
    assert default_path("echo", {"XDG_STATE_HOME": "/state"}) == Path("/state/liaison/echo.cursor.json")
    assert default_path("echo", {}) == Path.home() / ".local/state/liaison/echo.cursor.json"
