"""Asks for a password: at the terminal or from a file, never as an argument, which every user of the host can see."""

import sys
from pathlib import Path

import click

from liaison.cli.exits import Exit, Failure

password_option = click.option(
    "--password-file",
    metavar="FILE",
    help="Read the password from the first line of FILE, '-' for stdin. Default: ask at the terminal.",
)


def read_password(user: str, password_file: str | None) -> str:
    """Give the new password for `user`. Raises Failure."""
    if password_file is not None:
        return _first_line(password_file)
    if not sys.stdin.isatty():
        raise Failure("there is no terminal to ask for the password; give --password-file FILE, or '-'", Exit.USAGE)
    password: str = click.prompt(f"New password of {user}", hide_input=True, confirmation_prompt=True, err=True)
    return password


def _first_line(password_file: str) -> str:
    try:
        text = sys.stdin.read() if password_file == "-" else Path(password_file).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"{password_file} cannot be read: {error}") from error
    line = text.partition("\n")[0].rstrip("\r")
    if not line:
        raise Failure(f"there is no password in {'stdin' if password_file == '-' else password_file}")
    return line
