"""`liaison demo`: a furnished office on this machine."""

import json
import os
import random
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import click

from liaison.cli import demo_office
from liaison.cli.back_office import in_office
from liaison.cli.demo_registers import write_registers
from liaison.cli.exits import Failure
from liaison.cli.journal import set_up_journal
from liaison.cli.node import run_node
from liaison.cli.settings import config_option, json_option, read_config
from liaison.config import Config
from liaison.office.office import Office
from liaison.wiring import BackOffice, Running

_CREDENTIALS = "demo.json"


@dataclass(frozen=True, slots=True)
class _Credentials:
    """What lets one into the demonstration, by user."""

    passwords: dict[str, str]
    token: str


@click.command()
@config_option
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Keep the office, its passwords included, in this folder. Default: a folder that is removed at the end.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=int, help="The port; 0 takes a free one. Default: 8000.")
@json_option
def demo(*, config_file: Path | None, data: Path | None, host: str, port: int | None, as_json: bool) -> None:
    """Serve an office with people, channels and messages in it, to try.

    Prints the accounts, their passwords (new ones in each run, unless --data keeps them), a bot's token and the
    addresses to open.
    """
    folder = Path(tempfile.mkdtemp(prefix="liaison-demo-")) if data is None else data

    def leave_nothing() -> None:
        if data is None:
            shutil.rmtree(folder, ignore_errors=True)

    try:
        config = read_config(config_file, data=folder, server__host=host, server__port=port)
        set_up_journal(config.log)
        if set(config.delegations) != set(demo_office.SIDES):
            raise Failure("the demonstration's people are of south and north; leave the delegations as they are")

        in_office(config, lambda office: _write_the_past(office, config), create=True)

        async def furnish(running: Running) -> None:
            credentials = await _furnish(running.office, folder / _CREDENTIALS)
            if as_json:
                click.echo(_as_json(running, credentials))
            else:
                _show(running, credentials, folder, kept=data is not None)

        sys.exit(run_node(config, furnish, before_abandoning=leave_nothing))
    finally:
        leave_nothing()


async def _write_the_past(office: BackOffice, config: Config) -> None:
    """Give an office that has nobody in it yet what a running one couldn't be given any more."""
    if not office.registry.rights.accounts:
        now_ms = office.clock.wall_ms()
        await demo_office.write_line_checks(office.log, config.line_check_schedule, now_ms)
        await demo_office.write_rosters(office.log, config.profile, now_ms)
        await write_registers(office.log, config.office.time_zone, now_ms)


async def _furnish(office: Office, file: Path) -> _Credentials:
    credentials = _read(file)
    if credentials is None:
        credentials = _Credentials(demo_office.demo_passwords(random.SystemRandom()), "")
        if set(credentials.passwords) & set(office.rights.accounts):
            raise Failure(f"{file.parent} holds an office that isn't a demonstration; `liaison serve` serves it")
        # Before anybody gets one of them: they could not be read again.
        _write(file, credentials)
    await demo_office.furnish(office.accounts, office.registry, credentials.passwords)
    if not credentials.token:
        login = await office.accounts.create_token(
            demo_office.demo_bot(),
            demo_office.BOT_CHANNELS,
            read_only=False,
            lifetime_ms=demo_office.DEMO_TOKEN_LIFETIME_MS,
            by="demo",
        )
        credentials = _Credentials(credentials.passwords, login.secret)
        _write(file, credentials)
    await demo_office.write_first_messages(office.log, office.clock)
    if office.attachments.stores is not None:
        await demo_office.attach_timetable(office.log, office.attachments.stores, office.clock)
    return credentials


def _read(file: Path) -> _Credentials | None:
    try:
        kept = json.loads(file.read_bytes())
        return _Credentials(dict(kept["passwords"]), str(kept["token"]))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise Failure(f"{file} isn't what the demonstration wrote; remove the folder and start again") from error


def _write(file: Path, credentials: _Credentials) -> None:
    content = json.dumps({"passwords": credentials.passwords, "token": credentials.token}, indent=1)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as opened:
        opened.write(content)


def _as_json(running: Running, credentials: _Credentials) -> str:
    return json.dumps(
        {
            "address": running.address,
            "node": running.office.node,
            "pid": os.getpid(),
            "passwords": credentials.passwords,
            "bot": demo_office.BOT,
            "token": credentials.token,
        }
    )


def _show(running: Running, credentials: _Credentials, folder: Path, *, kept: bool) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    accounts = running.office.rights.accounts
    table = Table("User", "Name", "Role", "Password", box=box.SIMPLE, title_justify="left")
    for user, account in sorted(accounts.items(), key=lambda item: (item[1].delegation, item[0])):
        if user in credentials.passwords:
            table.add_row(user, account.name, account.role.value, credentials.passwords[user])
    address = running.address
    console = Console(highlight=False, soft_wrap=False)
    console.print("Liaison demonstration office · 공동연락사무소 시범\n", style="bold")
    console.print(f"  Chat        {address}/\n  Operations  {address}/ops\n  API         {address}/api/v1/openapi.json")
    console.print(table)
    # Not in the table and not wrapped: it is there to be copied.
    click.echo(f"Bot {demo_office.BOT}, for {', '.join(demo_office.BOT_CHANNELS)}; try in another terminal:\n")
    click.echo(f"  export LIAISON_URL={address} LIAISON_TOKEN={credentials.token}")
    click.echo(f"  liaison send {demo_office.BOT_CHANNELS[0]} '오늘 맑음'\n")
    where = f"Everything is kept in {folder}." if kept else "Everything is forgotten at the end."
    click.echo(f"{where} Ctrl-C ends it.")
