"""`liaison channel`: channels and who belongs to them. A running server knows of each change within a second."""

import click

from liaison.cli.back_office import in_office, operator
from liaison.cli.joint_channels import record_change
from liaison.cli.settings import json_option, office_options
from liaison.cli.tables import show_json, show_table
from liaison.config import Config
from liaison.core.identifiers import ChannelId
from liaison.core.rights import Channel, Rights
from liaison.wiring import BackOffice

_by_operator = click.option(
    "--by-operator",
    "reason",
    metavar="REASON",
    help="For a joint channel: do it without the approval of both sides, and put the reason on their record.",
)


@click.group()
def channel() -> None:
    """Create channels, add and remove members. Works beside a running server."""


@channel.command()
@click.argument("name", metavar="CHANNEL")
@click.option("--title-ko", help="Its title in Korean. Default: its name.")
@click.option("--title-en", help="Its title in English. Default: its name.")
@click.option("--member", "members", multiple=True, metavar="USER", help="A member from the start; may be repeated.")
@click.option("--closed", is_flag=True, help="Nobody joins by themselves: only whom you add belongs to it.")
@office_options
def create(
    *,
    name: str,
    title_ko: str | None,
    title_en: str | None,
    members: tuple[str, ...],
    closed: bool,
    config: Config,
) -> None:
    """Create joint/NAME for both sides, or DELEGATION/NAME for one.

    Officials and heads of its side or sides belong to it by themselves, unless it is --closed.
    """
    own_name = name.rpartition("/")[2]
    new = Channel(ChannelId(name), title_ko or own_name, title_en or own_name, open_to_all=not closed)

    async def work(office: BackOffice) -> None:
        await office.accounts.create_channel(new, members, by=operator())

    in_office(config, work, create=True)


@channel.command("list")
@json_option
@office_options
def list_channels(*, as_json: bool, config: Config) -> None:
    """List channels and how many belong to each."""

    async def work(office: BackOffice) -> Rights:
        return office.registry.rights

    rights = in_office(config, work)
    channels = [rights.channels[name] for name in sorted(rights.channels)]
    if as_json:
        show_json(
            [
                {
                    "channel": one.channel,
                    "title": {"ko": one.title_ko, "en": one.title_en},
                    "open_to_all": one.open_to_all,
                    "members": sorted(rights.members.get(one.channel, {})),
                }
                for one in channels
            ]
        )
        return
    show_table(
        ("Channel", "Members", "Titles"),
        [
            (one.channel, str(len(rights.members.get(one.channel, {}))), f"{one.title_ko} · {one.title_en}")
            for one in channels
        ],
    )


@channel.command("add-member")
@click.argument("name", metavar="CHANNEL")
@click.argument("user")
@click.option("--read-only", is_flag=True, help="They follow it and write nothing.")
@_by_operator
@office_options
def add_member(*, name: str, user: str, read_only: bool, reason: str | None, config: Config) -> None:
    """Add a member, or change whether they may write. A joint channel's members are for both sides to decide."""

    async def work(office: BackOffice) -> None:
        await record_change(office, name, user, "read" if read_only else "write", reason)
        await office.accounts.set_member(name, user, can_write=not read_only, by=operator())

    in_office(config, work)


@channel.command("remove-member")
@click.argument("name", metavar="CHANNEL")
@click.argument("user")
@_by_operator
@office_options
def remove_member(*, name: str, user: str, reason: str | None, config: Config) -> None:
    """Take a member out; nothing more of the channel reaches them, within a second.

    A joint channel's members are for both sides to decide.
    """

    async def work(office: BackOffice) -> None:
        await record_change(office, name, user, "none", reason)
        await office.accounts.remove_member(name, user, by=operator())

    in_office(config, work)
