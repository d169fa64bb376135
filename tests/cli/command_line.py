"""Runs commands in this process, as the console script would, and gives what they wrote and their exit code."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from liaison.cli.root import root

PASSWORD = "correct horse battery"


@dataclass(frozen=True)
class Finished:
    """A command that has ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)

    @property
    def lines(self) -> list[str]:
        return self.stdout.splitlines()


class CommandLine:
    """The command `liaison`; `on` adds --data to commands that are about an office's data."""

    def __init__(self, data: Path, environment: Mapping[str, str] = {}) -> None:
        self.data = data
        self.environment = dict(environment)

    def run(self, *arguments: str, stdin: str = "", environment: Mapping[str, str] = {}) -> Finished:
        # CliRunner changes the environment by this and no more; what a developer has set must not matter.
        cleared = {"LIAISON_CONFIG": None, "LIAISON_URL": None, "LIAISON_TOKEN": None}
        result = CliRunner().invoke(
            root, arguments, input=stdin, env={**cleared, **self.environment, **environment}, catch_exceptions=False
        )
        return Finished(result.exit_code, result.stdout, result.stderr)

    def on(self, *arguments: str, stdin: str = "") -> Finished:
        return self.run(*arguments, "--data", str(self.data), stdin=stdin)

    def ok(self, *arguments: str, stdin: str = "") -> Finished:
        finished = self.on(*arguments, stdin=stdin)
        assert finished.code == 0, finished.stderr
        return finished

    def add_user(self, user: str, *options: str) -> None:
        self.ok("user", "add", user, *options, "--password-file", "-", stdin=PASSWORD + "\n")
