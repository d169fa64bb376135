"""`liaison send` and `liaison tail`: over the network, as a bot; nothing but the base install is needed for them."""

import asyncio
import functools
import json
import logging
import os
import secrets
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from liaison.bot import Client
from liaison.bot.errors import BotError, Disconnected
from liaison.bot.messages import Message
from liaison.cli.exits import Exit, Failure
from liaison.protocol.limits import MAX_TAIL_MESSAGES

T = TypeVar("T")

DEFAULT_URL: Final = "http://127.0.0.1:8000"


class _LastWarning(logging.Handler):
    """Keeps what the client last complained of; on stderr it would come for each attempt."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.text = ""
        self.shows = False

    def emit(self, record: logging.LogRecord) -> None:
        self.text = record.getMessage()
        if self.shows:
            click.echo(f"liaison: {self.text}", err=True)


@dataclass(frozen=True, slots=True)
class Server:
    """Which server, as whom, and how long to wait for it."""

    url: str
    token_file: Path | None
    timeout_s: float


def network_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add --url, --token-file and --timeout; the command is given the `server` they name."""

    @click.option("--url", envvar="LIAISON_URL", default=DEFAULT_URL, show_default=True, help="Or LIAISON_URL.")
    @click.option("--token-file", type=click.Path(path_type=Path), help="Holds the token. Default: LIAISON_TOKEN.")
    @click.option("--timeout", "timeout_s", type=click.FloatRange(0.1), default=10.0, show_default=True, help="In s.")
    @functools.wraps(command)
    def with_server(*, url: str, token_file: Path | None, timeout_s: float, **others: object) -> None:
        command(server=Server(url, token_file, timeout_s), **others)

    return with_server


@click.command()
@click.argument("channel")
@click.argument("text")
@click.option(
    "--attach",
    "files",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file to go with it; can be given up to 8 times.",
)
@click.option("--key", help="The message's own key: with it a repeat of the command stores nothing twice.")
@click.option("--json", "as_json", is_flag=True, help="Write the message's place as JSON.")
@network_options
def send(*, channel: str, text: str, files: tuple[Path, ...], key: str | None, as_json: bool, server: Server) -> None:
    """Say TEXT in CHANNEL, '-' for stdin; returns once it is durable."""
    words = sys.stdin.read().rstrip("\n") if text == "-" else text
    own_key = key or secrets.token_hex(8)

    async def work() -> None:
        async with connected(server) as client:
            # However long that takes: nothing is said before all of it is there.
            attachments = [await client.upload(channel, file) for file in files]
            try:
                async with asyncio.timeout(server.timeout_s):
                    published = await client.publish(channel, words, attachments=attachments, key=own_key)
            except TimeoutError as error:
                raise Failure(
                    f"no answer within {server.timeout_s:g} s, so it may or may not be stored;"
                    f" with --key {own_key} the same command is safe to repeat",
                    Exit.UNAVAILABLE,
                ) from error
        if as_json:
            place = {"seq": published.seq, "epoch": published.epoch, "time_ms": published.time_ms}
            click.echo(json.dumps({**place, "duplicate": published.duplicate}))
        else:
            click.echo(f"{channel} {published.seq}")

    run_network(work())


@click.command()
@click.argument("channel")
@click.option(
    "-n", "--lines", type=click.IntRange(0, MAX_TAIL_MESSAGES), default=10, show_default=True, help="Of before."
)
@click.option("--once", is_flag=True, help="End after those of before, instead of waiting for more.")
@click.option("--json", "as_json", is_flag=True, help="Write each message as JSON on a line.")
@network_options
def tail(*, channel: str, lines: int, once: bool, as_json: bool, server: Server) -> None:
    """Show what is said in CHANNEL, over reconnects, until Ctrl-C."""
    show = _show_as_json if as_json else _show

    async def work() -> None:
        async with connected(server) as client:
            if once:
                for message in (await client.history(channel, limit=lines)).messages if lines else ():
                    show(message)
                return
            async with client.follow(channel, tail=lines) as feed:
                async for message in feed:
                    show(message)

    run_network(work())


@asynccontextmanager
async def connected(server: Server) -> AsyncIterator[Client]:
    """Give a connected client. Raises Failure when there is no connection in time."""
    complaints = _LastWarning()
    journal = logging.getLogger("liaison.bot")
    journal.addHandler(complaints)
    journal.propagate = False
    try:
        client = Client(server.url, _token(server.token_file), name="liaison command line")
    except ValueError as error:
        raise Failure(str(error), Exit.USAGE) from error
    try:
        async with asyncio.timeout(server.timeout_s):
            await client.__aenter__()
    except TimeoutError as error:
        cause = f": {complaints.text}" if complaints.text else ""
        raise Failure(
            f"no connection to {server.url} within {server.timeout_s:g} s{cause}", Exit.UNAVAILABLE
        ) from error
    complaints.shows = True
    try:
        yield client
    finally:
        complaints.shows = False
        await client.__aexit__(None, None, None)
        journal.removeHandler(complaints)


def _token(token_file: Path | None) -> str:
    if token_file is None:
        token = os.environ.get("LIAISON_TOKEN", "")
        if not token:
            raise Failure("who are you? Set LIAISON_TOKEN or give --token-file FILE", Exit.USAGE)
        return token
    try:
        return token_file.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"{token_file} cannot be read: {error}", Exit.USAGE) from error


def run_network(work: Coroutine[Any, Any, T]) -> T:
    """Do something over the network, and tell its errors as failures."""
    try:
        return asyncio.run(work)
    except Disconnected as error:
        raise Failure(str(error), Exit.UNAVAILABLE) from error
    except BotError as error:
        raise Failure(str(error)) from error
    except KeyboardInterrupt:
        sys.exit(Exit.OK)


def _show(message: Message) -> None:
    clock = time.strftime("%m-%d %H:%M", time.localtime(message.time_ms / 1000))
    words = {
        "text": message.text,
        "correction": f"(corrects {message.ref}) {message.text}",
        "withdrawal": f"(withdraws {message.ref})",
        "reaction": f"({'takes back' if message.removed else 'reacts to'} {message.ref}) {message.reaction}",
    }.get(message.kind, f"({message.kind})")
    # Another's text may hold anything but line feeds' worth of harm: continued lines stand in, so that none looks like
    # a message of its own.
    body = words.replace("\n", "\n    ")
    for attached in message.attachments:
        body += f"\n    + {attached.name} ({attached.size_bytes} bytes)"
    click.echo(f"{clock} {message.seq:>5} {message.sender}: {body}")


def _show_as_json(message: Message) -> None:
    fields = {name: getattr(message, name) for name in Message.__dataclass_fields__}
    click.echo(json.dumps({**fields, "link": message.link.hex()}, ensure_ascii=False))
