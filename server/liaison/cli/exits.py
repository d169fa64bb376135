"""How a command ends: its exit codes, and failures as one line that says what to do."""

import sys
import traceback
from enum import IntEnum

import click


class Exit(IntEnum):
    """The exit codes, after sysexits.h where it has one. What click itself refuses is USAGE."""

    OK = 0
    BAD = 1
    USAGE = 2
    UNAVAILABLE = 69
    INTERNAL = 70
    CONFIG = 78


class Failure(click.ClickException):
    """A command can't be carried out. Shown as one line, without a traceback."""

    def __init__(self, message: str, exit_code: Exit = Exit.BAD) -> None:
        super().__init__(message)
        self.exit_code: int = exit_code  # type: ignore[misc] # click calls it a class variable and reads it from self

    def show(self, file: object = None) -> None:
        """Write each line of the message to stderr, and with --debug where it came from."""
        if "--debug" in sys.argv:
            traceback.print_exception(self)
        for line in self.message.splitlines():
            click.echo(f"liaison: {line}", err=True)
