"""What people install: the wheel brings the built client, and the source distribution builds it without Node.js."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.slow


def build(source: Path, out: Path, kind: str, **environment: str) -> Path:
    finished = subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", f"--{kind}", "--outdir", out, source],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    (built,) = out.iterdir()
    return built


@pytest.fixture(scope="module")
def source_distribution(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An unpacked source distribution of this checkout."""
    directory = tmp_path_factory.mktemp("sdist")
    archive = build(ROOT, directory / "out", "sdist")
    # Not tarfile: Python 3.11.2 lacks the filter without which 3.12 warns.
    unpacked = directory / "unpacked"
    unpacked.mkdir()
    subprocess.run(["tar", "--extract", "--file", archive, "--directory", unpacked], check=True)
    (top,) = unpacked.iterdir()
    return top


@pytest.fixture(scope="module")
def wheel(source_distribution: Path, tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Names in the wheel that is built from it, on a path without Node.js."""
    bare = {"PATH": os.fspath(tmp_path_factory.mktemp("empty")), "LIAISON_NODE": "wheel"}
    built = build(source_distribution, tmp_path_factory.mktemp("wheel"), "wheel", **bare)
    return set(zipfile.ZipFile(built).namelist())


def package_data() -> set[str]:
    """Files of the package that aren't Python and without which it doesn't work."""
    package = ROOT / "server/liaison"
    kinds = {".lua", ".mako", ".ini", ".toml", ".json", ".typed"}
    return {
        f"liaison/{path.relative_to(package)}"
        for path in package.rglob("*")
        if path.suffix in kinds and "static" not in path.relative_to(package).parts
    }


def test_source_distribution_holds_the_built_client_and_its_source(source_distribution: Path) -> None:
    assert (source_distribution / "server/liaison/static/manifest.json").is_file()
    assert (source_distribution / "client_js/package-lock.json").is_file()
    assert not (source_distribution / "client_js/node_modules").exists()


def test_wheel_holds_the_built_client(wheel: set[str]) -> None:
    static = {name for name in wheel if name.startswith("liaison/static/")}
    assert "liaison/static/manifest.json" in static
    assert any(name.endswith(".js") for name in static)
    assert any(name.endswith(".js.br") for name in static)


def test_wheel_holds_no_source_maps(wheel: set[str]) -> None:
    assert [name for name in wheel if name.endswith((".map", ".map.gz", ".map.br"))] == []


def test_wheel_holds_every_module_and_all_package_data(wheel: set[str]) -> None:
    modules = {f"liaison/{path.relative_to(ROOT / 'server/liaison')}" for path in (ROOT / "server").rglob("*.py")}
    assert "liaison/py.typed" in package_data()
    assert modules | package_data() <= wheel


def test_wheel_holds_nothing_but_the_package(wheel: set[str]) -> None:
    assert {name.split("/")[0].partition("-")[0] for name in wheel} == {"liaison"}
