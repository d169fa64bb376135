"""The lock files: every package is pinned and hashed, none says where it comes from, and they fit what they lock."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
LOCKS = sorted((ROOT / "deploy/requirements").glob("*.txt"))
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def pins(lock: Path) -> dict[str, str]:
    """Version of each locked package."""
    entries = re.findall(r"^([\w.-]+)(?:\[[\w,-]+\])?==(\S+)", lock.read_text(encoding="utf-8"), re.MULTILINE)
    return {canonicalize_name(name): version for name, version in entries}


def group(name: str) -> list[str]:
    members: list[str] = []
    for entry in PYPROJECT["dependency-groups"][name]:
        members += group(entry["include-group"]) if isinstance(entry, dict) else [entry]
    return members


def asked_for() -> dict[str, list[str]]:
    project = PYPROJECT["project"]
    server = project["dependencies"] + project["optional-dependencies"]["server"]
    return {
        "runtime.txt": server,
        "server.txt": server + group("build"),
        "dev.txt": server + group("dev"),
        "node.txt": group("node"),
        "uv.txt": group("uv"),
        "audit.txt": group("audit"),
    }


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_locked_package_is_pinned_and_hashed(lock: Path) -> None:
    entries = lock.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    assert entries
    for entry in entries:
        assert re.fullmatch(r"[\w.\[\],-]+==\S+(?: ; [^-]+)?(?: +--hash=sha256:[0-9a-f]{64})+", entry), entry


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_lock_holds_what_pyproject_asks_for(lock: Path) -> None:
    locked = pins(lock)
    for line in asked_for()[lock.name]:
        requirement = Requirement(line)
        assert requirement.specifier.contains(locked[canonicalize_name(requirement.name)]), line


def test_no_lock_is_forgotten() -> None:
    assert {lock.name for lock in LOCKS} == asked_for().keys()


def test_tests_run_on_the_versions_that_the_server_runs_on() -> None:
    server, dev = (pins(ROOT / "deploy/requirements" / name) for name in ("server.txt", "dev.txt"))
    assert server.items() <= dev.items()
    assert pins(ROOT / "deploy/requirements/uv.txt").items() <= dev.items()


def test_an_installation_is_what_a_checkout_has_without_its_build_tools() -> None:
    runtime, server = (pins(ROOT / "deploy/requirements" / name) for name in ("runtime.txt", "server.txt"))
    assert runtime.items() < server.items()
    assert "hatchling" not in runtime


def npm_packages() -> dict[str, dict[str, Any]]:
    lock = json.loads((ROOT / "client_js/package-lock.json").read_bytes())
    return {name: entry for name, entry in lock["packages"].items() if name and not entry.get("link")}


def test_npm_lock_names_no_place() -> None:
    packages = npm_packages()
    assert packages
    assert [name for name, entry in packages.items() if "resolved" in entry] == []


def test_npm_lock_has_a_hash_for_every_package() -> None:
    assert [name for name, entry in npm_packages().items() if not entry.get("integrity")] == []
