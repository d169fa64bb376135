"""The lock of a data directory, and the epoch that is noted in it."""

import subprocess
import sys
from pathlib import Path

import pytest

from liaison.adapters.data_directory import DataDirectory, EpochMarkError, InUseError


def test_only_one_holds_the_lock_and_it_can_be_taken_again(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path / "made")
    with directory.lock(), pytest.raises(InUseError), directory.lock():
        pytest.fail("two hold one lock")
    with directory.lock():
        pass


@pytest.mark.system
def test_the_lock_goes_with_its_process_however_that_ends(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from liaison.adapters.data_directory import DataDirectory\n"
        "DataDirectory(Path(sys.argv[1])).lock().__enter__(); print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    environment = {"PYTHONPATH": str(Path(__file__).parents[2] / "server")}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, env=environment) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(InUseError), DataDirectory(tmp_path).lock():
            pytest.fail("two hold one lock")
        holder.kill()
        holder.wait()
    with DataDirectory(tmp_path).lock():
        pass


def test_the_noted_epoch_is_read_back_and_zero_before_any(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path)
    assert directory.marked_epoch() == 0
    directory.mark_epoch(12)
    assert DataDirectory(tmp_path).marked_epoch() == 12


@pytest.mark.parametrize("content", ["", "x", "-1", "1.5", "١", "\udcff"])
def test_a_mark_that_is_no_number_is_not_guessed(tmp_path: Path, content: str) -> None:
    directory = DataDirectory(tmp_path)
    directory.epoch_mark.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(EpochMarkError):
        directory.marked_epoch()
