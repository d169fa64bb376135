"""`liaison checkconfig`."""

from pathlib import Path

import click

from liaison.cli.settings import config_option, json_option, read_config
from liaison.cli.tables import show_json
from liaison.config import effective, warnings


@click.command()
@config_option
@json_option
def checkconfig(*, config_file: Path | None, as_json: bool) -> None:
    """Check a configuration, the environment's part included, without starting anything.

    Exits with 78 when the server would refuse it. With --json it prints the settings that would be in force, secrets
    masked.
    """
    config = read_config(config_file)
    for warning in warnings(config):
        click.echo(f"liaison: warning: {warning}", err=True)
    if as_json:
        show_json(effective(config))
    else:
        click.echo(f"{config_file or 'the built-in configuration'} is fine")
