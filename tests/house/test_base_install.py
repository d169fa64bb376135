"""The base install carries a bot: liaison.bot imports where only websockets and msgpack are installed."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# Refuses every import that a base install couldn't serve, then imports the SDK whole.
BASE_INSTALL = """
import importlib, pkgutil, sys

served = sys.stdlib_module_names | {"liaison", "msgpack", "websockets"}

class BaseInstall:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        # websockets tries one that isn't there and does without it. The module of the interpreter's build variables,
        # which zoneinfo asks for, is the standard library's but named after the platform.
        if top not in served and not top.startswith("_sysconfigdata"):
            raise ModuleNotFoundError(f"{name} is not part of the base install", name=name)

sys.meta_path.insert(0, BaseInstall())
"""


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", BASE_INSTALL + code],
        env={"PYTHONPATH": str(ROOT / "server")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_bot_sdk_imports_without_the_server_extra() -> None:
    finished = python("""
import liaison.bot
modules = [found.name for found in pkgutil.walk_packages(liaison.bot.__path__, "liaison.bot.")]
assert modules, "liaison.bot has no modules"
for module in modules:
    importlib.import_module(module)
""")
    assert finished.returncode == 0, finished.stderr


def test_the_server_extra_is_indeed_missing_there() -> None:
    finished = python("import aiohttp")
    assert "not part of the base install" in finished.stderr
