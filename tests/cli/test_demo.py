"""The demonstration: everybody can come in, both sides have the same, and nothing is left behind."""

import contextlib
import json
import os
import random
import signal
import stat
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import pytest

from liaison.cli.demo_office import _LINES, demo_accounts, demo_passwords
from liaison.cli.exits import Exit
from tests import forked_liaison
from tests.cli.command_line import CommandLine

ROOT = Path(__file__).resolve().parents[2]
USERS = ["ops", *(f"{side}-{who}" for side in ("south", "north") for who in ("head", "1", "2", "3", "4"))]


@contextlib.contextmanager
def demo(folder: Path, *options: str) -> Iterator[dict[str, Any]]:
    """Run it with a temporary directory of its own, give what it tells, and end it in good order."""
    folder.mkdir(exist_ok=True)
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "server"), "TMPDIR": str(folder)}
    arguments = ["demo", "--port", "0", "--json", *options]
    with TemporaryFile() as journal:
        process = forked_liaison.start(("-m", "liaison"), arguments, environment=environment, stderr=journal.fileno())
    with process.stdout:
        yield json.loads(process.stdout.readline())
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == Exit.OK


def post(url: str, body: dict[str, str]) -> Any:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def get(url: str, token: str) -> Any:
    with urllib.request.urlopen(urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})) as answer:
        return json.load(answer)


def test_both_sides_have_the_same_people_and_as_much_to_read() -> None:
    sides = Counter((str(account.delegation), account.role) for account in demo_accounts())
    written = Counter(line.sender.partition("-")[0] for line in _LINES)
    for role in {role for _, role in sides}:
        assert sides["south", role] == sides["north", role]
    assert written["south"] == written["north"]


def test_passwords_are_new_in_each_run_and_long_enough() -> None:
    first, second = demo_passwords(random.SystemRandom()), demo_passwords(random.SystemRandom())
    assert not set(first.values()) & set(second.values())
    assert min(map(len, first.values())) >= 12


@pytest.mark.system
def test_everybody_who_is_printed_can_sign_in_and_the_bot_too(tmp_path: Path) -> None:
    with demo(tmp_path / "tmp") as told:
        assert sorted(told["passwords"]) == sorted(USERS)
        for user, password in told["passwords"].items():
            assert post(f"{told['address']}/api/v1/login", {"user": user, "password": password})["user"] == user
        page = get(f"{told['address']}/api/v1/channels/joint/weather/messages", told["token"])
        assert [message["sender"] for message in page["messages"]] == ["south-2", "north-2"]
        assert "강수량" in page["messages"][0]["text"]


@pytest.mark.system
def test_nothing_is_left_without_a_folder(tmp_path: Path) -> None:
    with demo(tmp_path / "tmp"):
        assert [file.name.startswith("liaison-demo-") for file in (tmp_path / "tmp").iterdir()] == [True]
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.system
def test_a_folder_keeps_passwords_and_messages_and_gets_no_second_set(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with demo(tmp_path / "tmp", "--data", str(data)) as first:
        pass
    assert stat.S_IMODE((data / "demo.json").stat().st_mode) == 0o600
    with demo(tmp_path / "tmp", "--data", str(data)) as second:
        assert (second["passwords"], second["token"]) == (first["passwords"], first["token"])
        page = get(f"{second['address']}/api/v1/channels/joint/weather/messages", second["token"])
        assert page["head"] == 2


@pytest.mark.system
def test_an_office_that_is_no_demonstration_is_left_alone(tmp_path: Path) -> None:
    liaison = CommandLine(tmp_path / "data")
    liaison.add_user("south-1", "--delegation", "south")
    finished = forked_liaison.run(["demo", "--port", "0", "--data", str(liaison.data)], environment=os.environ)
    assert finished.returncode == Exit.BAD
    assert "holds an office that isn't a demonstration" in finished.stderr
    assert [one["user"] for one in liaison.ok("user", "list", "--json").json] == ["south-1"]


@pytest.mark.system
def test_what_is_printed_for_people_has_everything_to_copy(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "server"), "TMPDIR": str(tmp_path), "COLUMNS": "80"}
    command = [sys.executable, "-m", "liaison", "demo", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line.decode())
            if "Ctrl-C" in lines[-1]:
                break
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == Exit.OK
    text = "".join(lines)
    for user in USERS:
        # On one line with its password, or nobody can tell whose it is.
        assert any(line.split()[:1] == [user] and len(line.split()[-1]) == 14 for line in lines), user
    assert "/ops" in text
    assert "LIAISON_TOKEN=lsn_" in text
