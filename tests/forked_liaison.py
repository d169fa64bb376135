"""Starts `liaison` as processes that are forked from one in which it is loaded already.

Loading takes a second of the processor's time, and the tests start hundreds of servers. What is forked is a process of
its own: its id, its signals, its environment, its standard streams and its exit code are those that it would have had;
only the loading is shared. That `python -m liaison` loads and runs by itself is what the tests of tests/cli show.

This module runs in two processes: in the tests, and as a program that waits for orders, forks and waits for the ends.
"""

import atexit
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Final

_SERVER_SOURCES: Final = Path(__file__).resolve().parents[1] / "server"
_MAX_ORDER_BYTES: Final = 1 << 17
# What a node loads before it serves, whatever its storage, and what making or upgrading a database needs.
_LOADED: Final = (
    "alembic.command",
    "liaison.adapters.postgres_engine",
    "liaison.adapters.redis_bus",
    "liaison.adapters.redis_presence",
    "liaison.cli.demo",
    "liaison.cli.root",
    "liaison.cli.serve",
    "liaison.edges.server",
    "liaison.wiring",
    "uvloop",
)


class ForkedProcess:
    """A process of `liaison`, with as much of subprocess.Popen's ways as its users need."""

    def __init__(self, pid: int, stdout: IO[bytes], end: int) -> None:
        self.pid = pid
        self.stdout = stdout
        self.returncode: int | None = None
        # Says how the process ended. Until it is closed the process stays a zombie, and its id nobody else's.
        self._end = end

    def poll(self) -> int | None:
        """Give the exit code, negative for a signal, or None while the process runs."""
        with suppress(subprocess.TimeoutExpired):
            return self.wait(0)
        return None

    def wait(self, timeout_s: float) -> int:
        """Wait for the end and give the exit code. Raises subprocess.TimeoutExpired."""
        if self.returncode is None:
            if not select.select([self._end], [], [], timeout_s)[0]:
                raise subprocess.TimeoutExpired("liaison", timeout_s)
            self.returncode = int(os.read(self._end, 16))
            os.close(self._end)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the process has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)


def start(
    program: Sequence[str], arguments: Sequence[str], *, environment: Mapping[str, str], stderr: int
) -> ForkedProcess:
    """Run `program`, which is `-m liaison` or `-c` and a text, with arguments; its stdout becomes a pipe."""
    ours, theirs = os.pipe()
    end, told = os.pipe()
    order = json.dumps(
        {"program": [*program], "arguments": [*arguments], "environment": {**environment}, "folder": str(Path.cwd())}
    )
    try:
        with _LOCK:
            forker = _forker()
            socket.send_fds(forker, [order.encode()], [theirs, stderr, told])
            pid = int(forker.recv(16))
    finally:
        os.close(theirs)
        os.close(told)
    return ForkedProcess(pid, os.fdopen(ours, "rb"), end)


_LOCK: Final = threading.Lock()


def run(arguments: Sequence[str], *, environment: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    """Run `liaison` to its end, as subprocess.run does with `capture_output` and `text`."""
    with TemporaryFile() as errors:
        process = start(("-m", "liaison"), arguments, environment=environment, stderr=errors.fileno())
        with process.stdout:
            told = process.stdout.read().decode()
        code = process.wait(60)
        errors.seek(0)
        return subprocess.CompletedProcess(["liaison", *arguments], code, told, errors.read().decode())


@cache
def _forker() -> socket.socket:
    """Start the program that forks; it ends with this process, or when this socket is closed."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    process = subprocess.Popen(
        # -P: the folder of this file is none to import from.
        [sys.executable, "-P", __file__, str(theirs.fileno())],
        pass_fds=[theirs.fileno()],
        # As in a process of its own, no stream is a terminal.
        stdout=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(_SERVER_SOURCES)},
    )
    theirs.close()

    def end() -> None:
        ours.close()
        process.wait(20)

    atexit.register(end)
    return ours


# --- in the process that forks ------------------------------------------------------------------------------------


def _obey(orders: socket.socket) -> None:
    """Fork for each order. Returns in each fork, which then is that process; ends here when nobody orders any more."""
    poll = select.poll()
    poll.register(orders, select.POLLIN)
    running: dict[int, tuple[int, int]] = {}
    ended: dict[int, int] = {}
    while True:
        for descriptor, _ in poll.poll():
            if descriptor in running:
                pid, told = running.pop(descriptor)
                poll.unregister(descriptor)
                os.close(descriptor)
                _tell_end(pid, told)
                # Only that nobody reads there any more is waited for.
                poll.register(told, 0)
                ended[told] = pid
            elif descriptor in ended:
                poll.unregister(descriptor)
                os.close(descriptor)
                os.waitpid(ended.pop(descriptor), 0)
            else:
                order, descriptors, _, _ = socket.recv_fds(orders, _MAX_ORDER_BYTES, 3)
                if not order:
                    os._exit(0)
                stdout, stderr, told = descriptors
                pid = os.fork()
                if pid == 0:
                    for other in (orders.detach(), told, *running, *(way for _, way in running.values()), *ended):
                        os.close(other)
                    _become(json.loads(order), stdout, stderr)
                    return
                os.close(stdout)
                os.close(stderr)
                orders.send(str(pid).encode())
                process = os.pidfd_open(pid)
                poll.register(process, select.POLLIN)
                running[process] = pid, told


def _tell_end(pid: int, told: int) -> None:
    found = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert found is not None
    code = found.si_status if found.si_code == os.CLD_EXITED else -found.si_status
    with suppress(BrokenPipeError):
        os.write(told, str(code).encode())


def _become(order: dict[str, object], stdout: int, stderr: int) -> None:
    """Take over the streams, the environment and the arguments of the process that was ordered."""
    for ours, standard in ((stdout, 1), (stderr, 2)):
        os.dup2(ours, standard)
        os.close(ours)
    environment, arguments, program = order["environment"], order["arguments"], order["program"]
    assert isinstance(environment, dict)
    assert isinstance(arguments, list)
    assert isinstance(program, list)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(str(order["folder"]))
    sys.argv[:] = [program[0], *arguments]
    sys.orig_argv[1:] = [*program, *arguments]
    if program[0] == "-c":
        _programs.append(program[1])
    else:
        assert program == ["-m", "liaison"], program


_programs: Final[list[str]] = ["from liaison.cli import main\nmain()\n"]

if __name__ == "__main__":
    # An interrupt of the terminal's ends the tests, and this after them.
    _default = signal.signal(signal.SIGINT, signal.SIG_IGN)
    for _name in _LOADED:
        __import__(_name)
    assert threading.active_count() == 1, "a thread would be missing in what is forked"
    gc.collect()
    gc.freeze()
    _obey(socket.socket(fileno=int(sys.argv[1])))
    signal.signal(signal.SIGINT, _default)
    exec(_programs[-1], {"__name__": "__main__"})
