"""`liaison user`: people of the office. A running server knows of each change within a second."""

import click

from liaison.cli.back_office import in_office, operator
from liaison.cli.exits import Exit, Failure
from liaison.cli.passwords import password_option, read_password
from liaison.cli.settings import json_option, office_options
from liaison.cli.tables import show_json, show_table
from liaison.config import Config
from liaison.core.account_rules import check_account
from liaison.core.identifiers import DelegationId, UserId
from liaison.core.rights import Account, Role
from liaison.wiring import BackOffice


@click.group()
def user() -> None:
    """Add people, keep them out, change passwords. Works beside a running server."""


@user.command()
@click.argument("name_of_user", metavar="USER")
@click.option("--name", help="How the others see them. Default: the same as USER.")
@click.option("--delegation", default="", help="Their side. Ops have none.")
@click.option("--role", type=click.Choice(["official", "head", "ops"]), default="official", show_default=True)
@password_option
@office_options
def add(
    *,
    name_of_user: str,
    name: str | None,
    delegation: str,
    role: str,
    password_file: str | None,
    config: Config,
) -> None:
    """Add an official, a head or ops."""
    if role != "ops" and not delegation:
        sides = " or ".join(config.delegations)
        raise Failure(f"whose side is {name_of_user} on? Give --delegation {sides}", Exit.USAGE)
    account = Account(UserId(name_of_user), name or name_of_user, DelegationId(delegation), Role(role))
    try:
        # Nobody is to type a password twice only to hear that the name won't do.
        check_account(account, tuple(map(DelegationId, config.delegations)))
    except ValueError as error:
        raise Failure(str(error)) from error
    password = read_password(name_of_user, password_file)

    async def work(office: BackOffice) -> None:
        await office.accounts.add_person(account, password, by=operator())

    in_office(config, work, create=True)


@user.command("list")
@json_option
@office_options
def list_users(*, as_json: bool, config: Config) -> None:
    """List people and bots."""

    async def work(office: BackOffice) -> list[Account]:
        return list(office.registry.rights.accounts.values())

    accounts = sorted(in_office(config, work), key=lambda one: (one.delegation, one.user))
    if as_json:
        show_json(
            [
                {
                    "user": account.user,
                    "name": account.name,
                    "delegation": account.delegation,
                    "role": account.role.value,
                    "active": account.active,
                }
                for account in accounts
            ]
        )
        return
    show_table(
        ("User", "Side", "Role", "State", "Name"),
        [
            (
                account.user,
                account.delegation or "-",
                account.role.value,
                "active" if account.active else "disabled",
                account.name,
            )
            for account in accounts
        ],
    )


def _set_active(name_of_user: str, config: Config, *, active: bool) -> None:
    async def work(office: BackOffice) -> None:
        await office.accounts.set_active(name_of_user, active=active, by=operator())

    in_office(config, work)


@user.command()
@click.argument("name_of_user", metavar="USER")
@office_options
def disable(*, name_of_user: str, config: Config) -> None:
    """Keep somebody out: their sessions end within a second, and their tokens for good."""
    _set_active(name_of_user, config, active=False)


@user.command()
@click.argument("name_of_user", metavar="USER")
@office_options
def enable(*, name_of_user: str, config: Config) -> None:
    """Let somebody in again."""
    _set_active(name_of_user, config, active=True)


@user.command("password")
@click.argument("name_of_user", metavar="USER")
@password_option
@office_options
def set_password(*, name_of_user: str, password_file: str | None, config: Config) -> None:
    """Give somebody a new password; their browsers are signed out."""
    password = read_password(name_of_user, password_file)

    async def work(office: BackOffice) -> None:
        await office.accounts.set_password(name_of_user, password, by=operator())

    in_office(config, work)


@user.command("code")
@click.argument("name_of_user", metavar="USER")
@click.option("--off", is_flag=True, help="Let the password suffice again.")
@office_options
def require_code(*, name_of_user: str, off: bool, config: Config) -> None:
    """Ask somebody for one-time codes, and print the otpauth:// address that sets up their device."""

    async def work(office: BackOffice) -> str:
        if off:
            await office.accounts.require_no_code(name_of_user, by=operator())
            return ""
        return await office.accounts.require_code(name_of_user, by=operator())

    address = in_office(config, work)
    if address:
        click.echo(address)
