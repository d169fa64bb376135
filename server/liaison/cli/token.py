"""`liaison token`: how bots come in. A running server knows of each change within a second."""

import click

from liaison.cli.back_office import in_office, operator
from liaison.cli.joint_channels import record_change
from liaison.cli.settings import json_option, office_options
from liaison.cli.tables import moment, show_json, show_table
from liaison.config import Config
from liaison.core.identifiers import DelegationId, UserId
from liaison.core.rights import Account, Credential, CredentialKind, Role
from liaison.wiring import BackOffice

_DAY_MS = 24 * 3600 * 1000


@click.group()
def token() -> None:
    """Create and revoke tokens of bots. Works beside a running server."""


@token.command()
@click.argument("name")
@click.option("--delegation", required=True, help="The bot's side.")
@click.option("--channel", "channels", multiple=True, help="A channel that it belongs to; may be repeated.")
@click.option("--read-only", is_flag=True, help="It follows these channels and writes nothing.")
@click.option("--expires-days", type=click.IntRange(1, 3650), default=365, show_default=True)
@click.option("--title", help="How the others see the bot. Default: the same as NAME.")
@office_options
def create(  # noqa: PLR0913 - each is an option of its own
    *,
    name: str,
    delegation: str,
    channels: tuple[str, ...],
    read_only: bool,
    expires_days: int,
    title: str | None,
    config: Config,
) -> None:
    """Create a token for the bot NAME, and the bot where there is none; print the token and nothing else.

    It is shown this once: only its hash is stored.
    """
    bot = Account(UserId(name), title or name, DelegationId(delegation), Role.BOT)

    async def work(office: BackOffice) -> str:
        login = await office.accounts.create_token(
            bot, channels, read_only=read_only, lifetime_ms=expires_days * _DAY_MS, by=operator()
        )
        for channel in channels:
            # A bot's place in a joint channel is for both sides to know of, who gave it and when.
            await record_change(office, channel, name, "read" if read_only else "write", "a token was created")
        return login.secret

    click.echo(in_office(config, work, create=True))


@token.command("list")
@json_option
@office_options
def list_tokens(*, as_json: bool, config: Config) -> None:
    """List tokens that let a bot in, without what is secret in them."""

    async def work(office: BackOffice) -> list[Credential]:
        return [one for one in office.registry.rights.credentials.values() if one.kind is CredentialKind.TOKEN]

    tokens = sorted(in_office(config, work), key=lambda one: (one.user, one.created_ms, one.digest))
    if as_json:
        show_json(
            [{"user": one.user, "created_ms": one.created_ms, "expires_ms": one.expires_ms} for one in tokens],
        )
        return
    rows = [(one.user, moment(one.created_ms), moment(one.expires_ms)) for one in tokens]
    show_table(("Bot", "Created", "Expires"), rows)


@token.command()
@click.argument("name")
@office_options
def revoke(*, name: str, config: Config) -> None:
    """Revoke all tokens of the bot NAME; its connections end within a second."""

    async def work(office: BackOffice) -> int:
        return await office.accounts.revoke_tokens(name, by=operator())

    ended = in_office(config, work)
    click.echo(f"{ended} revoked", err=True)
