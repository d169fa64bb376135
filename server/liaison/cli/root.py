"""The tree of commands. A command's module is imported when the command is called, and not for the list of them."""

import difflib
import importlib
import sys
from collections.abc import Mapping
from typing import Final

import click

from liaison.cli.exits import Exit, Failure

# Name → where the command is, and its line in the list.
_COMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "serve": ("liaison.cli.serve:serve", "Serve an office."),
    "demo": ("liaison.cli.demo:demo", "Serve an office with people, channels and messages in it, to try."),
    "checkconfig": ("liaison.cli.checkconfig:checkconfig", "Check a configuration without starting anything."),
    "user": ("liaison.cli.user:user", "Add people, keep them out, change passwords."),
    "token": ("liaison.cli.token:token", "Create and revoke tokens of bots."),
    "channel": ("liaison.cli.channel:channel", "Create channels, add and remove members."),
    "dispatch": ("liaison.cli.dispatch:dispatch", "Show which dispatches were tendered and how they stand."),
    "duty": ("liaison.cli.duty:duty", "Show who is on duty; put up, list and export a side's roster."),
    "line-check": ("liaison.cli.line_check:line_check", "Show what the line checks of the last days came to."),
    "send": ("liaison.cli.talk:send", "Say something in a channel, over the network."),
    "tail": ("liaison.cli.talk:tail", "Follow a channel, over the network."),
    "export": ("liaison.cli.record:export", "Write a channel's record to a file that proves itself."),
    "verify": ("liaison.cli.record:verify", "Check an exported record, offline."),
    "key": ("liaison.cli.key:key", "Make keys of a side, register and list them, over the network."),
    "sign": ("liaison.cli.key:sign", "Sign channels' records for one's side, over the network."),
    "backup": ("liaison.cli.storage:backup", "Copy the database to one file, also beside a running server."),
    "restore": ("liaison.cli.storage:restore", "Put a backup in the place of the database."),
    "bump-epoch": ("liaison.cli.storage:bump_epoch", "Begin a new epoch, after PostgreSQL was restored."),
    "audit": ("liaison.cli.audit:audit", "Show who changed what, and check that the list is whole."),
}


class _Commands(click.Group):
    """Finds commands by name and loads them one at a time."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        module, _, attribute = _COMMANDS[name][0].partition(":")
        try:
            command = getattr(importlib.import_module(module), attribute)
        except ModuleNotFoundError as missing:
            if missing.name is None or missing.name.startswith("liaison"):
                raise
            raise Failure(
                f"'{name}' needs {missing.name}; install it by: pip install 'liaison[server]'", Exit.UNAVAILABLE
            ) from missing
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, context: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        near = difflib.get_close_matches(name, _COMMANDS, 1)
        if name not in _COMMANDS and near and not name.startswith("-"):
            raise click.UsageError(f"there is no command {name!r}; did you mean {near[0]!r}?", context)
        return super().resolve_command(context, args)

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in _COMMANDS.items()])


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="liaison", message="%(prog)s %(version)s")
@click.option("--debug", is_flag=True, help="Show where in the program a failure came from.")
def root(*, debug: bool) -> None:
    """Real-time chat and presence for an office shared by two delegations.

    Try it with `liaison demo`. Settings come from a file (--config, or LIAISON_CONFIG) and from the environment as
    LIAISON_SECTION__KEY; deploy/liaison.toml describes them all.

    \b
    Exit codes: 0 done, 1 refused or bad, 2 wrong usage, 69 unavailable, 70 internal, 78 configuration.
    """
    # Where a failure is shown it isn't known to whom the option was given, so exits.py looks for it by itself.
    del debug


def run() -> None:
    """Run the command line and exit with its code; what nobody foresaw is INTERNAL."""
    try:
        root.main(prog_name="liaison")
    except Exception as error:
        if "--debug" in sys.argv:
            raise
        click.echo(
            f"liaison: internal error: {type(error).__name__}: {error}; `liaison --debug …` shows where", err=True
        )
        sys.exit(Exit.INTERNAL)
