"""A full disk and a broken configuration: what can't be done is refused as a whole, and the rest goes on."""

import asyncio
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests import forked_liaison
from tests.live_server import LiveServer
from tests.simulation.checker import violations
from tests.simulation.history import History
from tests.system.socket_clients import NO_PACE, SocketClient, final_state, make_bots, running, until

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

DISK_BYTES: Final = 8 * 1024 * 1024


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of 8 MiB; needs root. tests/adapters/test_sql_log.py fills a database without it."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = os.geteuid() == 0 and not subprocess.call(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "none", str(disk)], stderr=subprocess.DEVNULL
    )
    if not mounted:
        pytest.skip("only root can mount a small disk, and not in every container")
    yield disk
    subprocess.check_call(["umount", "--lazy", str(disk)])


async def test_a_full_disk_refuses_publishes_serves_reads_and_goes_on_once_there_is_room(small_disk: Path) -> None:
    history = History()
    with LiveServer(small_disk / "data", NO_PACE) as server:
        writer, reader = (
            SocketClient(user, token, server.ws_url, history) for user, token in make_bots(server, 2).items()
        )
        async with running([writer, reader]):
            writer.say(100)
            await until(lambda: not writer.outbox, 5, "there is room at first")
            ballast = small_disk / "ballast"
            _fill(ballast)
            for _ in range(400):
                writer.say(5_000)
                await asyncio.sleep(0.01)
                if writer.errors:
                    break
            assert {error["name"] for error in writer.errors} == {"storage_full"}
            assert all(error["temporary"] and error["retry_after_ms"] for error in writer.errors)
            # Reads go on: who comes now gets everything from the log.
            late = SocketClient(reader.user, reader._token, server.ws_url, History())
            late.epoch = 1
            async with running([late]):
                await until(lambda: late.cursor == reader.cursor > 0, 10, "a newcomer reads the whole log")
            assert await asyncio.to_thread(_status, server, "/livez") == 200
            ballast.unlink()
            for key in list(writer.outbox):
                writer._publish(key)
            await until(lambda: not writer.outbox and reader.cursor == writer.cursor, 10, "what was refused is said")
        broken = violations(history.events, final_state(server, [writer, reader]))
    assert not broken


def _fill(file: Path) -> None:
    with file.open("wb", buffering=0) as ballast:
        for size in (1 << 16, 1 << 12):
            try:
                while True:
                    ballast.write(b"\0" * size)
            except OSError:
                continue


def _status(server: LiveServer, path: str) -> int:
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        return int(connection.makefile("rb").readline().split()[1])


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"LIAISON_SERVER__PORT": "70000"}, "LIAISON_SERVER__PORT"),
        ({"LIAISON_SERVER__PROT": "8000"}, "LIAISON_SERVER__PROT"),
        ({"LIAISON_SERVER__ALLOWED_ORIGINS": "office.example"}, "LIAISON_SERVER__ALLOWED_ORIGINS"),
        ({"LIAISON_SERVER__TRUSTED_PROXIES": "10.0.0.0/99"}, "LIAISON_SERVER__TRUSTED_PROXIES"),
        ({"LIAISON_OFFICE__GRANULARITY": "everything"}, "LIAISON_OFFICE__GRANULARITY"),
        ({"LIAISON_OFFICE__TIME_ZONE": "Asia/Atlantis"}, "LIAISON_OFFICE__TIME_ZONE"),
        ({"LIAISON_LIMITS__COMMANDS_PER_S": "0"}, "LIAISON_LIMITS__COMMANDS_PER_S"),
        ({"LIAISON_METRICS__TOKEN_FILE": "/nowhere/token"}, "LIAISON_METRICS__TOKEN_FILE"),
        ({"LIAISON_METRICS__HOST": "127.0.0.1"}, "metrics.port"),
    ],
)
def test_a_broken_configuration_starts_nothing_makes_nothing_and_says_what_to_change(
    environment: dict[str, str], named: str, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    ended = _serve(data, environment)
    assert ended.returncode == 78
    assert named in ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stdout == ""
    assert not data.exists()


def test_a_port_that_is_taken_and_data_that_are_in_use_are_refused_before_anything_is_made(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ended = _serve(tmp_path / "data", {"LIAISON_SERVER__PORT": str(taken.getsockname()[1])})
    assert ended.returncode == 69
    assert "server.port" in ended.stderr
    assert not (tmp_path / "data").exists()
    with LiveServer(tmp_path / "used") as server:
        ended = _serve(server.data_dir, {"LIAISON_SERVER__PORT": "0"})
        assert ended.returncode == 69
        assert str(server.data_dir) in ended.stderr
        assert _status(server, "/livez") == 200


def test_a_database_that_is_none_is_left_as_it_is(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with LiveServer(data) as server:
        assert server.stop() == 0
    [database] = data.glob("*.db")
    rubbish = b"this is no database, but somebody's notes" * 200
    database.write_bytes(rubbish)
    ended = _serve(data, {"LIAISON_SERVER__PORT": "0"})
    assert ended.returncode not in (0, 70)
    assert "Traceback" not in ended.stderr
    assert database.read_bytes() == rubbish


def _serve(data: Path, environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("LIAISON_")}
    return forked_liaison.run(["serve", "--data", str(data)], environment={**inherited, **environment})
