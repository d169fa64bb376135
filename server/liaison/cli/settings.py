"""The options that lead to a configuration, and reading it."""

import functools
import os
from collections.abc import Callable
from pathlib import Path

import click

from liaison.cli.exits import Exit, Failure
from liaison.config import Config, ConfigError, load_config
from liaison.core.profile import Delegation

config_option = click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="LIAISON_CONFIG",
    metavar="FILE",
    help="The configuration file. Default: LIAISON_CONFIG, or the built-in settings.",
)
data_option = click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="The folder of everything stored. Default: data.directory of the configuration.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Write JSON, for scripts.")


def office_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add --config and --data, which say whose office a command is about; it is given the `config` they lead to."""

    @config_option
    @data_option
    @functools.wraps(command)
    def with_config(*, config_file: Path | None, data: Path | None, **others: object) -> None:
        command(config=read_config(config_file, data=data), **others)

    return with_config


def read_config(config_file: Path | None, *, data: Path | None = None, **overrides: object) -> Config:
    """Read the configuration as the options ask. `overrides` are settings as section__key; None is not given.

    Raises Failure(CONFIG).
    """
    given = {name.replace("__", "."): value for name, value in overrides.items() if value is not None}
    if data is not None:
        given["data.directory"] = str(data)
    try:
        return load_config(config_file, os.environ, given)
    except ConfigError as error:
        raise Failure(str(error), Exit.CONFIG) from error


def side_named(config: Config, name: str) -> Delegation:
    """Give the delegation of this id. Raises Failure that names those there are."""
    for delegation in config.profile.delegations:
        if delegation.id == name:
            return delegation
    known = " and ".join(delegation.id for delegation in config.profile.delegations)
    raise Failure(f"there is no delegation {name!r}; there are {known}", Exit.USAGE)
