"""Keys, signatures and a fork, with the real server and the real command line."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from liaison.cli.exits import Exit
from tests.cli.command_line import CommandLine, Finished
from tests.live_server import LiveServer

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

GENERAL = "joint/general"


def test_a_side_makes_a_key_its_head_registers_it_a_bot_signs_and_an_edit_of_the_running_office_is_a_fork(
    tmp_path: Path,
) -> None:
    with LiveServer(tmp_path / "data") as server:
        line = CommandLine(tmp_path / "data", {"LIAISON_URL": server.url})
        key, heads = tmp_path / "south.key", tmp_path / "south.heads"

        def signs(*more: str) -> Finished:
            return line.run("sign", GENERAL, "--key-file", str(key), "--heads-file", str(heads), *more)

        made = line.run("key", "create", str(key), "--side", "south", "--label", "당직실 봇")
        assert made.code == Exit.OK
        assert key.stat().st_mode & 0o777 == 0o600
        assert line.run("key", "create", str(key), "--side", "south", "--label", "x").code == Exit.BAD
        line.environment["LIAISON_TOKEN"] = server.token("south-notary", "south", [GENERAL])
        assert line.run("send", GENERAL, "하나").code == Exit.OK
        assert "no such key" in signs().stderr
        heads.unlink()

        request, password = tmp_path / "request.json", tmp_path / "password"
        request.write_text(line.run("key", "request", str(key)).stdout)
        for user, code in (("south-1", Exit.BAD), ("north-head", Exit.BAD), ("south-head", Exit.OK)):
            password.write_text(server.password_of(user))
            registered = line.run("key", "register", str(request), "--user", user, "--password-file", str(password))
            assert registered.code == code, registered.stderr
        listed = line.run("key", "list")
        assert made.lines[1] in listed.stdout

        assert signs().lines == [f"{GENERAL}: signed up to 1"]
        assert signs().lines == [f"{GENERAL}: nothing new to sign"]
        line.run("send", GENERAL, "둘")
        assert signs().lines == [f"{GENERAL}: signed up to 3"]
        keys, record = tmp_path / "keys.json", tmp_path / "record.ndjson"
        keys.write_text(line.run("key", "list", "--json").stdout)
        assert [each["label"] for each in json.loads(keys.read_text())["keys"]] == ["당직실 봇"]
        line.ok("export", GENERAL, "-o", str(record))
        verified = line.run("verify", str(record), "--keys", str(keys), "--heads", str(heads))
        assert "signed by south: up to 3" in verified.stdout, verified.stderr

        with closing(sqlite3.connect(tmp_path / "data" / "office.db")) as rows, rows:
            rows.execute("UPDATE message SET link = zeroblob(32) WHERE text = '둘'")
        line.run("send", GENERAL, "셋")
        found = signs()
        assert found.code == Exit.BAD
        assert "FORK, nothing was signed" in found.stderr

        fingerprint = json.loads(keys.read_text())["keys"][0]["fingerprint"]
        revoked = line.run(
            "key", "revoke", fingerprint, "--reason", "시험", "--user", "south-head", "--password-file", str(password)
        )
        assert revoked.code == Exit.OK, revoked.stderr
        assert "revoked" in line.run("key", "list").stdout
