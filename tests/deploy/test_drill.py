"""The restore drill passes on an office that is as it should be, and fails on one that isn't."""

import json
import os
import sqlite3
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from liaison.core.identifiers import ChannelId
from liaison.wiring import BackOffice
from tests.live_server import LiveServer
from tests.postgres_server import PASSWORD, PostgresServer

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

ROOT = Path(__file__).resolve().parents[2]


def drill(
    tmp_path: Path, *options: str, environment: dict[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run the script; what it makes is to be gone afterwards."""
    program, scratch = tmp_path / "liaison", tmp_path / "scratch"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m liaison "$@"\n')
    program.chmod(0o700)
    scratch.mkdir(exist_ok=True)
    finished = subprocess.run(
        [str(ROOT / "deploy/drill.sh"), *options],
        env={
            **os.environ,
            "LIAISON": str(program),
            "PYTHONPATH": str(ROOT / "server"),
            "TMPDIR": str(scratch),
            **(environment or {}),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert list(scratch.iterdir()) == [], "the drill left something behind"
    return finished


def say(server: LiveServer, token: str, number: int) -> None:
    body = json.dumps({"key": f"k{number}", "text": f"소식 {number}"}).encode()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    url = f"{server.url}/api/v1/channels/joint%2Fgeneral/messages"
    with urllib.request.urlopen(urllib.request.Request(url, body, headers)):
        pass


async def _entries(office: BackOffice) -> int:
    """Count what all channels hold: what was said, and what the office wrote by itself."""
    heads = await office.log.heads(list(office.registry.rights.channels))
    count = sum(position.seq for position in heads.values())
    assert heads[ChannelId("joint/general")].seq == 5
    return count


def test_a_backup_taken_beside_a_running_office_is_restored_proved_and_served(tmp_path: Path) -> None:
    with LiveServer(tmp_path / "data") as server:
        token = server.token("writer", "south", ["joint/general"])
        for number in range(5):
            say(server, token, number)
        finished = drill(tmp_path, "--data", str(server.data_dir))
        assert finished.returncode == 0, finished.stderr
        assert f", {server.administer(_entries)} messages, " in finished.stdout.splitlines()[-1]
        # The office went on, and goes on.
        say(server, token, 5)


def test_a_record_that_somebody_changed_fails_it(tmp_path: Path) -> None:
    with LiveServer(tmp_path / "data") as server:
        token = server.token("writer", "south", ["joint/general"])
        for number in range(3):
            say(server, token, number)
        server.stop()
        with sqlite3.connect(server.data_dir / "office.db") as database:
            changed = database.execute("UPDATE message SET text = '다른 소식' WHERE seq = 2").rowcount
        database.close()
        assert changed == 1
        finished = drill(tmp_path, "--data", str(server.data_dir))
    assert finished.returncode == 1
    assert finished.stderr.splitlines()[-1] == "drill: FAILED: the copy is not sound"
    assert "copy/joint/general.ndjson, line 3: changed" in finished.stderr


def test_where_there_is_no_office_it_fails(tmp_path: Path) -> None:
    finished = drill(tmp_path, "--data", str(tmp_path / "nothing"))
    assert finished.returncode != 0
    assert "passed" not in finished.stdout


def test_an_office_in_postgresql_is_restored_into_a_database_of_its_own(
    tmp_path: Path, postgres_server: PostgresServer
) -> None:
    settings = {
        "LIAISON_OFFICE__ID": postgres_server.new_office(),
        "LIAISON_POSTGRES__URL": postgres_server.url(password=""),
        "LIAISON_POSTGRES__PASSWORD": PASSWORD,
    }
    postgres_server.execute("CREATE DATABASE drill")
    scratch = postgres_server.url("drill", password="")
    with LiveServer(tmp_path / "data", settings) as server:
        token = server.token("writer", "south", ["joint/general"])
        for number in range(5):
            say(server, token, number)
        environment = {**settings, "PGPASSWORD": PASSWORD}
        forgotten = drill(tmp_path, environment=environment)
        assert (forgotten.returncode, "by --scratch URL" in forgotten.stderr) == (1, True)
        finished = drill(tmp_path, "--scratch", scratch, environment=environment)
        assert finished.returncode == 0, finished.stderr
        assert f", {server.administer(_entries)} messages, " in finished.stdout.splitlines()[-1]
        again = drill(tmp_path, "--scratch", scratch, environment=environment)
        assert again.returncode != 0, "a database that isn't empty is left alone"
        say(server, token, 5)
