"""`liaison key` and `liaison sign`: a side's keys, and signatures under the record, over the network."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any, Final

import click

from liaison.bot.notary import BrokenBookError, Forked, HeadBook, Notary
from liaison.bot.signing import KeyFileError, SigningKey
from liaison.cli.exits import Exit, Failure
from liaison.cli.talk import DEFAULT_URL, Server, connected, network_options, run_network

_FILE: Final = click.Path(path_type=Path)
_GROUPS: Final = 8


@click.group()
def key() -> None:
    """Make a side's keys, register them as its head, and list those of both sides."""


@key.command()
@click.argument("file", type=_FILE)
@click.option("--side", required=True, metavar="DELEGATION", help="Whose key it will be.")
@click.option("--label", required=True, help="What people will call it, such as 'duty room bot'.")
def create(*, file: Path, side: str, label: str) -> None:
    """Make a key in the new FILE, which only its owner can read. It counts once a head has registered it."""
    made = _checked(lambda: SigningKey.create(file, side, label))
    click.echo(f"{file}: {made.label}, of {made.delegation}")
    click.echo(readable(made.fingerprint))


@key.command()
@click.argument("file", type=_FILE)
@click.option("--office", default="office", show_default=True, help="The office's id: office.id of its configuration.")
@click.option("--replaces", type=_FILE, metavar="FILE", help="The key that it takes the place of.")
def request(*, file: Path, office: str, replaces: Path | None) -> None:
    """Write what registers the key in FILE as JSON, for a head to send; there is no secret in it."""
    own = _checked(lambda: SigningKey.load(file))
    old = None if replaces is None else _checked(lambda: SigningKey.load(replaces))
    click.echo(json.dumps(own.registration(office, old), ensure_ascii=False))


@key.command()
@click.argument("request_file", metavar="JSON", type=click.File("r", encoding="utf-8"))
@click.option("--user", required=True, help="A head of the key's side.")
@click.option("--password-file", type=_FILE, help="Holds the head's password. Default: ask.")
@click.option("--url", envvar="LIAISON_URL", default=DEFAULT_URL, show_default=True, help="Or LIAISON_URL.")
def register(*, request_file: Any, user: str, password_file: Path | None, url: str) -> None:
    """Register a key as its side's head: what `liaison key request` wrote, '-' for stdin."""
    try:
        fields = json.load(request_file)
    except ValueError as error:
        raise Failure(f"this is no request for a key: {error}") from error
    registered = _as_head(url, user, password_file, "register_key", fields)["side_key"]
    click.echo(f"registered for {registered['delegation']}: {registered['label']}")
    click.echo(readable(registered["fingerprint"]))


@key.command()
@click.argument("fingerprint")
@click.option("--reason", required=True, help="One line, for the record.")
@click.option("--user", required=True, help="A head of the key's side.")
@click.option("--password-file", type=_FILE, help="Holds the head's password. Default: ask.")
@click.option("--url", envvar="LIAISON_URL", default=DEFAULT_URL, show_default=True, help="Or LIAISON_URL.")
def revoke(*, fingerprint: str, reason: str, user: str, password_file: Path | None, url: str) -> None:
    """End a key of one's own side: what it signs from now on counts for nothing."""
    fields = {"fingerprint": "".join(fingerprint.split()), "reason": reason}
    ended = _as_head(url, user, password_file, "revoke_key", fields)["side_key"]
    click.echo(f"revoked: {ended['label']}, of {ended['delegation']}")


@key.command("list")
@click.option("--json", "as_json", is_flag=True, help="Write what `liaison verify --keys` reads.")
@network_options
def list_keys(*, as_json: bool, server: Server) -> None:
    """List the keys of both sides. Compare fingerprints with the other side face to face."""

    async def work() -> Mapping[str, Any]:
        async with connected(server) as client:
            return await client.side_keys()

    answer = run_network(work())
    if as_json:
        click.echo(json.dumps({"office": answer["office"], "keys": answer["keys"]}, ensure_ascii=False, indent=1))
        return
    for each in answer["keys"]:
        click.echo(f"{each['delegation']}  {each['state']}  {each['label']}\n    {readable(each['fingerprint'])}")


@click.command()
@click.argument("channels", nargs=-1, required=True, metavar="CHANNEL…")
@click.option("--key-file", type=_FILE, required=True, help="What `liaison key create` made.")
@click.option("--heads-file", type=_FILE, required=True, help="Where signed heads are kept; keep it off the server.")
@click.option("--accept-fork", is_flag=True, help="You have looked into it: sign the record as it is now.")
@network_options
def sign(*, channels: tuple[str, ...], key_file: Path, heads_file: Path, accept_fork: bool, server: Server) -> None:
    """Check each CHANNEL since it was last signed, and sign it. Exits with 1 where the record contradicts what was."""
    own = _checked(lambda: SigningKey.load(key_file))
    try:
        book = HeadBook(heads_file)
    except (BrokenBookError, OSError) as error:
        raise Failure(str(error)) from error

    async def work() -> None:
        async with connected(server) as client:
            notary = Notary(client, own, book, lambda: time.time_ns() // 1_000_000)
            for channel in channels:
                head = await notary.sign(channel, accept_fork=accept_fork)
                click.echo(f"{channel}: " + ("nothing new to sign" if head is None else f"signed up to {head.seq}"))

    try:
        run_network(work())
    except Forked as fork:
        raise Failure(
            f"FORK, nothing was signed: {fork}. Compare exports with the other side (`liaison verify FILE OTHER`);"
            " where it is explained, as by a restore, sign anew with --accept-fork"
        ) from fork


def readable(fingerprint: str) -> str:
    """Give a fingerprint in groups, to be read out."""
    return " ".join(fingerprint[at : at + _GROUPS] for at in range(0, len(fingerprint), _GROUPS))


def _checked(work: Any) -> SigningKey:
    try:
        made = work()
    except KeyFileError as error:
        raise Failure(str(error)) from error
    assert isinstance(made, SigningKey)
    return made


def _as_head(
    url: str, user: str, password_file: Path | None, command: str, fields: Mapping[str, Any]
) -> dict[str, Any]:
    """Sign in, send one command of the registers, and sign out."""
    if password_file is None:
        password = click.prompt(f"Password of {user}", hide_input=True, err=True)
    else:
        try:
            password = password_file.read_text(encoding="utf-8").rstrip("\n")
        except OSError as error:
            raise Failure(f"{password_file} cannot be read: {error.strerror}", Exit.USAGE) from error
    _, cookie = _post(url, "login", {"user": user, "password": password}, "")
    try:
        # The key of the command is the key's own: a repeat registers nothing twice.
        name = str(fields.get("fingerprint") or fields.get("public_key"))
        answer, _ = _post(url, f"registers/{command}", {"key": f"{command} {name}"[:64], **fields}, cookie)
        return answer
    finally:
        _post(url, "logout", {}, cookie)


def _post(url: str, path: str, body: Mapping[str, Any], cookie: str) -> tuple[dict[str, Any], str]:
    if not url.startswith(("http://", "https://")):
        raise Failure(f"{url} is no address of a server", Exit.USAGE)
    # A cookie counts only with a word on where the request comes from; no page has sent this one.
    headers = {"Content-Type": "application/json", "Sec-Fetch-Site": "same-origin", "Cookie": cookie}
    request = urllib.request.Request(  # noqa: S310 - the scheme was looked at
        f"{url.rstrip('/')}/api/v1/{path}", json.dumps(body).encode(), headers, method="POST"
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            jar = SimpleCookie(answer.headers.get("Set-Cookie", ""))
            content = json.load(answer)
            return content, "; ".join(f"{name}={morsel.value}" for name, morsel in jar.items())
    except urllib.error.HTTPError as error:
        refused = json.loads(error.read() or b"{}")
        raise Failure(f"{refused.get('message', error)} ({refused.get('name', error.code)})") from error
    except OSError as error:
        raise Failure(f"no answer from {url}: {error}", Exit.UNAVAILABLE) from error
