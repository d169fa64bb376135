"""`liaison backup`, `liaison restore` and `liaison bump-epoch`."""

import time
from pathlib import Path

import click

from liaison.adapters.data_directory import DataDirectory, InUseError
from liaison.adapters.postgres_engine import begin_epoch
from liaison.adapters.sql_backup import BackupError, back_up
from liaison.adapters.sql_backup import restore as put_back
from liaison.adapters.sql_engine import SchemaError
from liaison.adapters.sql_writer import StorageUnavailableError
from liaison.cli.back_office import in_office, operator
from liaison.cli.exits import Exit, Failure
from liaison.cli.progress import progress_bar
from liaison.cli.settings import json_option, office_options
from liaison.cli.tables import show_json
from liaison.config import Config
from liaison.core.identifiers import Millis
from liaison.wiring import BackOffice, postgres_settings

_file_argument = click.argument("file", type=click.Path(path_type=Path, dir_okay=False))


@click.command()
@_file_argument
@office_options
def backup(*, file: Path, config: Config) -> None:
    """Copy the database as of one moment into the new FILE, also while the server runs.

    It holds every message and every password's hash: keep it like the original.
    """
    _refuse_postgres(config, "back it up with pg_dump --schema, or its files and WAL with pg_basebackup")
    try:
        with progress_bar(f"Backing up to {file}") as progress:
            back_up(DataDirectory(config.data_directory), file, progress)
    except BackupError as error:
        raise Failure(str(error), Exit.UNAVAILABLE) from error

    async def note(office: BackOffice) -> None:
        await office.directory.audit(operator(), "office.backed_up", "", "")

    in_office(config, note)


@click.command()
@_file_argument
@json_option
@office_options
def restore(*, file: Path, as_json: bool, config: Config) -> None:
    """Put the backup FILE in the place of the database. The server must not run; what is there now is kept beside it.

    A new epoch begins: clients notice, and offer again what the backup doesn't have and they still do.
    """
    _refuse_postgres(
        config, "restore it with PostgreSQL's own means while no server runs, then run: liaison bump-epoch"
    )
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    try:
        with progress_bar(f"Restoring {file}") as progress:
            restored = put_back(DataDirectory(config.data_directory), file, stamp=stamp, progress=progress)
    except BackupError as error:
        raise Failure(str(error)) from error
    except InUseError as error:
        raise Failure(str(error), Exit.UNAVAILABLE) from error

    async def note(office: BackOffice) -> None:
        await office.directory.audit(operator(), "office.restored", "", f"epoch {restored.epoch}")

    in_office(config, note)
    kept = "" if restored.kept is None else str(restored.kept)
    if as_json:
        show_json({"epoch": restored.epoch, "kept": kept})
    else:
        click.echo(f"Epoch {restored.epoch} begins." + (f" The database before is kept as {kept}" if kept else ""))


@click.command("bump-epoch")
@json_option
@office_options
def bump_epoch(*, as_json: bool, config: Config) -> None:
    """Begin a new epoch, after PostgreSQL was brought back to an earlier moment and before any server starts.

    Clients notice, and offer again what the database doesn't have and they still do. Without it they would take new
    messages for ones that they have seen. It does no harm to run it once too often.
    """
    if not config.postgres.is_used:
        raise Failure("the office is in a data directory, where `liaison restore` begins the new epoch by itself")
    try:
        epoch = begin_epoch(postgres_settings(config), Millis(time.time_ns() // 1_000_000))
    except (StorageUnavailableError, SchemaError) as error:
        raise Failure(str(error), Exit.UNAVAILABLE) from error

    async def note(office: BackOffice) -> None:
        await office.directory.audit(operator(), "office.restored", "", f"epoch {epoch}")

    in_office(config, note)
    if as_json:
        show_json({"epoch": epoch})
    else:
        click.echo(f"Epoch {epoch} begins.")


def _refuse_postgres(config: Config, instead: str) -> None:
    if config.postgres.is_used:
        raise Failure(f"the office is in PostgreSQL: {instead}")
