"""What a supervisor hands over, and what it is told: the conventions of systemd, which others keep too."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from liaison.cli.exits import Exit
from liaison.cli.supervision import handed_sockets, tell_supervisor

ROOT = Path(__file__).resolve().parents[2]
# As systemd does it: the sockets from descriptor 3 on, and the process's own id in the environment.
HAND_OVER = 'exec 3<&"$0"; export LISTEN_PID=$$ LISTEN_FDS=1; exec "$@"'


def test_sockets_for_another_process_are_left_alone() -> None:
    environment = {"LISTEN_PID": "1", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "web", "PATH": "/bin"}
    assert handed_sockets(environment) == []
    assert environment == {"PATH": "/bin"}


def test_without_a_supervisor_nothing_is_handed_over_and_nobody_told() -> None:
    assert handed_sockets({}) == []
    tell_supervisor({}, "READY=1")


@contextmanager
def _supervisor(folder: Path) -> Iterator[tuple[socket.socket, str]]:
    path = str(folder / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind(path)
        told.settimeout(20)
        yield told, path


def test_the_supervisor_is_told_by_a_path_and_by_an_abstract_name(tmp_path: Path) -> None:
    with _supervisor(tmp_path) as (told, path):
        tell_supervisor({"NOTIFY_SOCKET": path}, "READY=1")
        assert told.recv(100) == b"READY=1"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind(f"\0liaison-test-{os.getpid()}")
        tell_supervisor({"NOTIFY_SOCKET": f"@liaison-test-{os.getpid()}"}, "READY=1")
        assert told.recv(100) == b"READY=1"


@contextmanager
def _serving(
    listener: socket.socket, data: Path, environment: dict[str, str] | None = None
) -> Iterator["subprocess.Popen[bytes]"]:
    serve = [sys.executable, "-m", "liaison", "serve", "--json", "--data", str(data)]
    with subprocess.Popen(
        ["bash", "-c", HAND_OVER, str(listener.fileno()), *serve],
        env={**os.environ, "PYTHONPATH": str(ROOT / "server"), **(environment or {})},
        pass_fds=[listener.fileno()],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def _is_ready(address: str) -> bool:
    with urllib.request.urlopen(f"{address}/readyz", timeout=20) as answer:
        return bool(json.load(answer)["ready"])


@pytest.mark.system
def test_a_socket_that_was_handed_over_keeps_whoever_connects_between_two_servers(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with _serving(listener, tmp_path / "data") as first:
            assert first.stdout is not None
            assert json.loads(first.stdout.readline())["address"] == address
            assert _is_ready(address)
            first.send_signal(signal.SIGTERM)
            assert first.wait(20) == Exit.OK
        early = socket.create_connection(listener.getsockname(), timeout=20)
        early.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        with _serving(listener, tmp_path / "data"), early:
            assert early.recv(1000).startswith(b"HTTP/1.1 200")


@pytest.mark.system
def test_the_supervisor_is_told_once_it_serves(tmp_path: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        _supervisor(tmp_path) as (told, path),
        _serving(listener, tmp_path / "data", {"NOTIFY_SOCKET": path}),
    ):
        assert told.recv(100) == b"READY=1"
        assert _is_ready(f"http://127.0.0.1:{listener.getsockname()[1]}")


@pytest.mark.system
def test_a_socket_that_does_not_listen_is_refused(tmp_path: Path) -> None:
    with socket.socket() as deaf, _serving(deaf, tmp_path / "data") as process:
        assert process.wait(20) == Exit.CONFIG
        assert process.stderr is not None
        assert process.stderr.read() == b"liaison: socket 3 that was handed over is no TCP socket that listens\n"
    assert not (tmp_path / "data").exists()


@pytest.mark.system
def test_one_socket_is_not_handed_to_several_workers(tmp_path: Path) -> None:
    several = {
        "LIAISON_SERVER__WORKERS": "2",
        "LIAISON_REDIS__URL": "redis://127.0.0.1:1",
        "LIAISON_POSTGRES__URL": "postgresql://liaison@127.0.0.1:1/liaison",
    }
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        _serving(listener, tmp_path / "data", several) as process,
    ):
        assert process.wait(20) == Exit.CONFIG
        assert process.stderr is not None
        assert b"server.reuse_port" in process.stderr.read()
