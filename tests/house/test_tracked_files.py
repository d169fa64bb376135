"""What git holds: only what a reader expects, and nothing that ties the project to one machine or one registry."""

import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).resolve().parents[2]

TOP_LEVEL = {
    ".ci",
    ".gitignore",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "Makefile",
    "PROTOCOL.md",
    "README.md",
    "THREAT_MODEL.md",
    "bench",
    "client_js",
    "deploy",
    "pyproject.toml",
    "server",
    "tests",
}

# Directories that exist on somebody's machine and on no other. Written so that it doesn't find itself.
MACHINE_PATH = re.compile(r"(?<![\w.$})-])/(?:work|root|home|Users)/\w")

# 256 KiB: the largest text that anybody reviews is a lock file, at half of that. Anything larger is an artefact.
MAX_TRACKED_BYTES = 256 * 1024

# What the README shows of the pages: the only files that aren't text.
PICTURES = {ROOT / f"client_js/screenshots/{name}.png" for name in ("chat-light-ko", "chat-dark-en", "phone-ko")}
MAX_PICTURE_BYTES = 120 * 1024


@cache
def tracked() -> tuple[Path, ...]:
    if not (ROOT / ".git").exists():
        pytest.skip("Not a git checkout.")
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    # A file that is deleted and not yet committed is still listed.
    return tuple(path for name in names.split("\0") if name and (path := ROOT / name).is_file())


def output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


@cache
def registry_hosts() -> frozenset[str]:
    """The hosts that pip and npm would ask: their built-in ones and those set on this machine."""
    built_in = "from pip._internal.models.index import PyPI as p; print(p.netloc, p.file_storage_domain)"
    hosts = set(output(sys.executable, "-c", built_in).split())
    addresses = re.findall(r"https?://[^\s'\"]+", output(sys.executable, "-m", "pip", "config", "list"))
    if npm := shutil.which("npm"):
        addresses.append(output(npm, "config", "get", "registry"))
    hosts |= {host for address in addresses if (host := urlsplit(address).hostname)}
    return frozenset(hosts - {"localhost"})


def lines_that_match(pattern: re.Pattern[str]) -> list[str]:
    found = []
    for path in tracked():
        if path in PICTURES:
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if pattern.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:120]}")
    return found


def test_top_level_holds_only_what_a_reader_expects() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in tracked()} <= TOP_LEVEL


def test_every_tracked_file_is_text_of_a_size_to_review() -> None:
    for path in tracked():
        content = path.read_bytes()
        assert len(content) <= MAX_TRACKED_BYTES, path
        if path in PICTURES:
            assert len(content) <= MAX_PICTURE_BYTES, path
            continue
        content.decode("utf-8")
        assert b"\0" not in content, path


def test_no_tracked_file_names_a_path_of_one_machine() -> None:
    assert lines_that_match(MACHINE_PATH) == []


def test_machine_paths_are_recognised() -> None:
    assert MACHINE_PATH.search("cd /" + "root/project")
    assert not MACHINE_PATH.search(f"GET /api/v1/homework/{'root'}/x")


def test_no_tracked_file_names_a_registry_host() -> None:
    hosts = registry_hosts()
    assert hosts, "pip names no host at all"
    assert lines_that_match(re.compile("|".join(re.escape(host) for host in sorted(hosts)))) == []


def test_scripts_are_executable() -> None:
    scripts = [path for path in tracked() if path.read_bytes().startswith(b"#!")]
    assert scripts
    assert [path for path in scripts if not path.stat().st_mode & 0o100] == []
