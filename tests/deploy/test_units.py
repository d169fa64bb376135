"""The systemd units: what systemd itself says of them, what they promise, and the scripts beside them."""

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import click
import pytest

from liaison.cli.root import root
from liaison.config import Config, load_config

ROOT = Path(__file__).resolve().parents[2]
UNITS = ROOT / "deploy/systemd"
SERVICES = ("liaison.service", "liaison@.service")


def unit(name: str) -> configparser.RawConfigParser:
    # A key may stand there twice; none of those that are looked at does, but SystemCallFilter.
    parser = configparser.RawConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(UNITS / name)
    return parser


def systemd_analyze(*arguments: str) -> "subprocess.CompletedProcess[str]":
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("There is no systemd here; the other tests read the units by themselves.")
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False)


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The units as on a machine that has everything, for systemd looks whether the program is there."""
    for name in (*SERVICES, "liaison.socket"):
        text = (UNITS / name).read_text()
        (tmp_path / name).write_text(text.replace("/opt/liaison/bin/liaison", "/bin/true"))
    return tmp_path


def test_systemd_finds_no_fault_with_them(installed: Path) -> None:
    names = ("liaison.service", "liaison.socket", "liaison@1.service")
    checked = systemd_analyze("verify", "--man=no", *(str(installed / name) for name in names))
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.parametrize("name", ["liaison.service", "liaison@1.service"])
def test_systemd_calls_what_they_may_do_little(installed: Path, name: str) -> None:
    checked = systemd_analyze("security", "--offline=true", "--threshold=20", str(installed / name))
    assert checked.returncode == 0, checked.stdout[-200:]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_runs_what_there_is_and_has_time_to_drain(name: str) -> None:
    service = unit(name)["Service"]
    program, command, *options = service["ExecStart"].split()
    assert program.endswith("/liaison")
    assert isinstance(root, click.Group)
    served = root.get_command(click.Context(root), command)
    assert served is not None
    assert options[0] in {option for parameter in served.params for option in parameter.opts}
    limits = Config().limits
    assert int(service["TimeoutStopSec"]) >= limits.drain_notice_s + limits.drain_timeout_s + 4
    # A second signal would end workers at once, and systemd's default sends one to each process.
    assert (service["Type"], service["KillMode"], service["Restart"]) == ("notify", "mixed", "on-failure")


@pytest.mark.parametrize("name", SERVICES)
def test_what_a_service_sets_are_settings(name: str) -> None:
    text = unit(name)["Service"]["Environment"].replace("%i", "1").replace("%l", "host")
    settings = dict(re.findall(r"(LIAISON_\w+)=(\S+)", text))
    config = load_config(None, settings)
    if name == "liaison@.service":
        assert (config.server.reuse_port, config.server.node, config.metrics.port) == (True, "host-1", 9101)
    else:
        assert f"/var/lib/{unit(name)['Service']['StateDirectory']}" == str(config.data_directory)


def test_the_socket_is_where_a_server_would_listen_and_is_handed_to_the_one_service() -> None:
    server = Config().server
    assert unit("liaison.socket")["Socket"]["ListenStream"] == f"{server.host}:{server.port}"
    assert unit("liaison.service")["Unit"]["Requires"] == "liaison.socket"
    assert "Requires" not in unit("liaison@.service")["Unit"]


def test_both_services_may_do_the_same() -> None:
    hardening = [
        {
            key: value
            for key, value in unit(name)["Service"].items()
            if re.match(r"Protect|Private|Restrict|.*Capab", key)
        }
        for name in SERVICES
    ]
    assert len(hardening[0]) > 15
    assert hardening[0] == hardening[1]


def test_shell_scripts_have_none_of_the_known_faults() -> None:
    program = shutil.which("shellcheck")
    if program is None:
        pytest.fail("This test needs shellcheck; `.ci/system-packages` installs it.")
    scripts = [ROOT / "deploy/drill.sh", ROOT / ".ci/run", ROOT / ".ci/system-packages"]
    checked = subprocess.run([program, *map(str, scripts)], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout
