"""The layers of ARCHITECTURE.md hold, and the contracts that say so do catch what breaks them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).resolve().parents[2]

# Of liaison.protocol these are plain Python; the others need the server extra.
PROTOCOL_FOR_THE_SDK = {
    "liaison.protocol.close_codes",
    "liaison.protocol.errors",
    "liaison.protocol.limits",
    "liaison.protocol.media_types",
    "liaison.protocol.names",
    "liaison.protocol.signed_heads",
}


def lint_imports(directory: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-logo", "--no-cache"],
        cwd=directory,
        env=os.environ | {"PYTHONPATH": str(directory / "server")},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the package and its contracts, to be spoilt."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(
        ROOT / "server/liaison", tmp_path / "server/liaison", ignore=shutil.ignore_patterns("static*", "__pycache__")
    )
    return tmp_path


@pytest.mark.slow
def test_every_module_keeps_to_its_layer() -> None:
    finished = lint_imports(ROOT)
    assert finished.returncode == 0, finished.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "line", "complaint"),
    [
        ("utils.py", "", "liaison.utils"),
        ("core/spoilt.py", "import liaison.office", "liaison.core is not allowed to import liaison.office"),
        ("core/spoilt.py", "import time", "liaison.core is not allowed to import time"),
        ("protocol/spoilt.py", "import asyncio", "liaison.protocol is not allowed to import asyncio"),
        ("office/spoilt.py", "import sqlalchemy", "liaison.office is not allowed to import sqlalchemy"),
        ("office/spoilt.py", "import liaison.adapters", "liaison.office is not allowed to import liaison.adapters"),
        ("edges/spoilt.py", "import liaison.adapters", "liaison.edges is not allowed to import liaison.adapters"),
        ("edges/spoilt.py", "import liaison.config", "liaison.edges is not allowed to import liaison.config"),
        ("bot/spoilt.py", "import liaison.protocol.frames", "liaison.bot is not allowed to import"),
    ],
)
def test_contracts_catch(copy: Path, module: str, line: str, complaint: str) -> None:
    (copy / "server/liaison" / module).write_text(line + "\n")
    finished = lint_imports(copy)
    assert finished.returncode == 1
    assert complaint in finished.stdout.replace("\n", " ")


def test_sdk_takes_only_plain_python_from_the_protocol() -> None:
    graph = grimp.build_graph("liaison", cache_dir=None)
    sdk = {"liaison.bot"} | graph.find_descendants("liaison.bot")
    taken = {found for module in sdk for found in graph.find_modules_directly_imported_by(module)}
    assert taken - sdk <= PROTOCOL_FOR_THE_SDK
