"""What is forked is a process like any other: arguments, environment, streams, signals and exit code are its own."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Protocol

import pytest

from liaison.cli.exits import Exit
from tests import forked_liaison
from tests.forked_liaison import ForkedProcess

pytestmark = pytest.mark.system


class Start(Protocol):
    def __call__(self, text: str, *arguments: str, **environment: str) -> ForkedProcess: ...


@pytest.fixture
def start() -> Iterator[Start]:
    with ExitStack() as streams:

        def begin(text: str, *arguments: str, **environment: str) -> ForkedProcess:
            process = forked_liaison.start(("-c", text), arguments, environment={**os.environ, **environment}, stderr=2)
            streams.enter_context(process.stdout)
            return process

        yield begin


def test_it_has_its_own_arguments_and_environment_and_exit_code(start: Start) -> None:
    text = "import os, sys; print(os.getpid(), sys.argv[1:], os.environ['HERE'], flush=True); sys.exit(7)"
    first, second = start(text, "a", "b", HERE="one"), start(text, HERE="two")
    assert (first.wait(20), second.wait(20)) == (7, 7)
    assert first.stdout.read().decode() == f"{first.pid} ['a', 'b'] one\n"
    assert second.stdout.read().decode() == f"{second.pid} [] two\n"
    assert first.pid != second.pid


def test_it_has_no_variable_that_it_was_not_given() -> None:
    text = "import os; print(sorted(os.environ))"
    process = forked_liaison.start(("-c", text), [], environment={"HERE": "one"}, stderr=2)
    with process.stdout as output:
        assert process.wait(20) == 0
        assert output.read() == b"['HERE']\n"


def test_a_signal_ends_it_and_only_it_and_its_id_is_kept_until_somebody_asked(start: Start) -> None:
    text = "import signal; print('up', flush=True); signal.pause()"
    one, other = start(text), start(text)
    assert (one.stdout.readline(), other.stdout.readline()) == (b"up\n", b"up\n")
    os.kill(one.pid, signal.SIGKILL)
    # A crash may be noticed late: a signal to what is dead, but not yet asked after, must hit nobody else.
    while one.stdout.read(1):
        pass
    os.kill(one.pid, 0)
    assert (one.wait(20), other.poll()) == (-signal.SIGKILL, None)
    with pytest.raises(subprocess.TimeoutExpired):
        other.wait(0.01)
    other.send_signal(signal.SIGTERM)
    assert other.wait(20) == -signal.SIGTERM
    other.send_signal(signal.SIGTERM)


def test_the_command_line_runs_to_its_end() -> None:
    environment = {**os.environ, "LIAISON_SERVER__PORT": "many"}
    finished = forked_liaison.run(["serve"], environment=environment)
    assert (finished.returncode, finished.stdout) == (Exit.CONFIG, "")
    assert "LIAISON_SERVER__PORT" in finished.stderr
