"""Checking a configuration starts nothing and hides nothing."""

from pathlib import Path

from liaison.cli.exits import Exit
from tests.cli.command_line import CommandLine


def test_a_sound_configuration_is_called_so(liaison: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "liaison.toml"
    file.write_text("[server]\nport = 9000\n")
    finished = liaison.run("checkconfig", "--config", str(file))
    assert (finished.code, finished.stdout, finished.stderr) == (Exit.OK, f"{file} is fine\n", "")
    assert list(tmp_path.iterdir()) == [file]


def test_every_problem_has_a_line(liaison: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "liaison.toml"
    file.write_text("[server]\nprot = 9000\nhost = 1\n")
    finished = liaison.run("checkconfig", "--config", str(file))
    assert finished.code == Exit.CONFIG
    assert [line.partition(": there")[0].partition(": expected")[0] for line in finished.stderr.splitlines()] == [
        f"liaison: {file}: server.prot",
        f"liaison: {file}: server.host",
    ]


def test_what_is_seldom_meant_is_a_warning(liaison: CommandLine) -> None:
    finished = liaison.run("checkconfig", environment={"LIAISON_SERVER__HOST": "0.0.0.0"})
    assert finished.code == Exit.OK
    assert "liaison: warning: server.host 0.0.0.0 is reached from other machines without TLS" in finished.stderr


def test_the_settings_in_force_are_shown_without_secrets(liaison: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "liaison.toml"
    file.write_text("[metrics]\ntoken = 's3cret'\n")
    environment = {"LIAISON_CONFIG": str(file), "LIAISON_SERVER__PORT": "9000"}
    finished = liaison.run("checkconfig", "--json", environment=environment)
    assert finished.json["server"]["port"] == 9000
    assert finished.json["metrics"]["token"] == "***"
