"""`liaison export` and `liaison verify`: a channel's record as a file, and the proof that it is whole."""

import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

import click

from liaison.cli.attachment_files import check_beside, folder_of, named_in
from liaison.cli.exits import Exit, Failure
from liaison.cli.progress import Progress, progress_bar
from liaison.cli.settings import json_option, office_options
from liaison.cli.tables import show_json
from liaison.core.record_check import Checked, KeptHead, Keys, check, first_difference, read_kept_heads, read_keys
from liaison.core.transcript import TranscriptError

if TYPE_CHECKING:
    # Verifying is for people who have no server.
    from liaison.config import Config
    from liaison.wiring import BackOffice


_PATH: Final = click.Path(path_type=Path)


@click.command()
@click.argument("channel")
@click.option("-o", "--output", metavar="FILE", type=click.Path(path_type=Path), help="A new file. Default: stdout.")
@office_options
def export(*, channel: str, output: Path | None, config: "Config") -> None:
    """Write all messages of CHANNEL as NDJSON that `liaison verify` can prove. Works beside a running server.

    With --output, what is attached to them is written into the folder FILE.attachments, which verify checks too.
    """
    if output is None:
        _export(config, channel, sys.stdout.buffer)
        sys.stdout.buffer.flush()
        return
    # Written beside, and named once it is complete: half an export is never taken for one.
    partial = output.with_name(f".{output.name}.partial")
    try:
        if output.exists():
            raise Failure(f"{output} exists; name a new file")
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            _export(config, channel, file)
            file.flush()
            os.fsync(file.fileno())
        _export_attachments(config, partial, folder_of(output))
        # A hard link, unlike a renaming, never replaces a file.
        os.link(partial, output)
    except OSError as error:
        raise Failure(f"{error.filename or output} cannot be written: {error.strerror}", Exit.UNAVAILABLE) from error
    finally:
        partial.unlink(missing_ok=True)


def _export(config: "Config", channel: str, file: BinaryIO) -> None:
    from liaison.cli.back_office import in_office, operator
    from liaison.core.identifiers import ChannelId
    from liaison.office.transcript import EpochChangedError, export_channel

    async def work(office: "BackOffice") -> None:
        name = ChannelId(channel)
        if name not in office.registry.rights.channels:
            raise Failure(f"there is no channel {channel!r}; `liaison channel list` shows them")
        head = (await office.log.heads([name]))[name].seq
        written = 0
        with progress_bar(f"Exporting {channel}") as progress:
            async for line in export_channel(office.log, name, exported_by=""):
                file.write(line)
                written += 1
                # Header and trailer count as well; the bar needn't be exact.
                progress(written, head + 2)
        await office.directory.audit(operator(), "channel.exported", channel, f"{written - 2} messages")

    try:
        in_office(config, work)
    except EpochChangedError as error:
        raise Failure(f"{error}; begin again", Exit.UNAVAILABLE) from error


def _export_attachments(config: "Config", transcript: Path, folder: Path) -> None:
    from liaison.cli.attachment_files import write
    from liaison.cli.back_office import in_office
    from liaison.ports.attachments import AttachmentsUnavailableError, MissingContentError

    with transcript.open("rb") as lines:
        wanted = sorted(named_in(lines))
    if not wanted:
        return
    if folder.exists():
        raise Failure(f"{folder} exists; name a new file")
    folder.mkdir(mode=0o700)

    async def work(office: "BackOffice") -> None:
        try:
            await write(folder, wanted, office.attachments.contents.read)
        except MissingContentError as error:
            raise Failure(f"the attachment {error} is missing where it is stored", Exit.UNAVAILABLE) from error
        except AttachmentsUnavailableError as error:
            raise Failure(str(error), Exit.UNAVAILABLE) from error

    try:
        in_office(config, work)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


@click.command()
@click.argument("file", metavar="FILE")
@click.argument("other", metavar="[OTHER]", required=False)
@click.option("--link", metavar="HEX", help="The last link as the other side kept it: the file must end in it.")
@click.option(
    "--keys", "keys_file", metavar="JSON", type=_PATH, help="Keys of both sides: what `liaison key list --json` gives."
)
@click.option(
    "--heads",
    "heads_file",
    metavar="NDJSON",
    type=_PATH,
    help="Signed heads that were kept, by `liaison sign` or a bot.",
)
@json_option
def verify(
    *,
    file: str,
    other: str | None,
    link: str | None,
    keys_file: Path | None,
    heads_file: Path | None,
    as_json: bool,
) -> None:
    """Check an exported record, '-' for stdin; needs no server. Exits with 1 and names the first bad line.

    Where FILE.attachments is there, everything that is attached must be in it, whole.

    Whoever rewrites the whole rest of a file can make it sound again, but neither with the same last link nor with the
    signatures of both sides: give their --keys, --heads that were kept, or OTHER, the copy of the other side.
    OTHER may end earlier than FILE, but where both have a message it must be the same.
    """
    try:
        keys = None if keys_file is None else read_keys(keys_file.read_bytes())
        kept = [] if heads_file is None else read_kept_heads(heads_file.read_bytes().splitlines())
    except OSError as error:
        raise Failure(f"{error.filename} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise Failure(f"no file of keys, or of heads: {error}") from error
    checked = _checked(file, keys, kept, as_json=as_json)
    verified = checked.verified
    attached = check_beside(Path(file)) if file != "-" else 0
    if link is not None and link.lower() != verified.link.hex():
        raise Failure(f"{file} is sound in itself, but ends in link {verified.link.hex()} and not in {link.lower()}")
    if other is not None:
        if file in (other, "-"):
            raise Failure("name two different files", Exit.USAGE)
        across = _checked(other, keys, kept=(), as_json=as_json).verified
        if across.channel != verified.channel:
            raise Failure(f"{file} is of {verified.channel}, {other} of {across.channel}")
        _compare(Path(file), Path(other), as_json=as_json)
    if as_json:
        show_json(
            {
                "sound": True,
                "channel": verified.channel,
                "epoch": verified.epoch,
                "seq": verified.seq,
                "link": verified.link.hex(),
                "signed": dict(checked.signed),
                "attachments": attached,
            }
        )
        return
    click.echo(f"{verified.channel}: {verified.seq} messages of epoch {verified.epoch}, link {verified.link.hex()}")
    if attached:
        click.echo(f"{attached} attachments are as they were")
    if keys is not None:
        for side in sorted({key.delegation for key in keys.keys}):
            click.echo(
                f"signed by {side}: " + (f"up to {checked.signed[side]}" if side in checked.signed else "nothing")
            )


def _checked(file: str, keys: Keys | None, kept: Sequence[KeptHead], *, as_json: bool) -> Checked:
    try:
        if file == "-":
            return check(sys.stdin.buffer, keys, kept)
        with Path(file).open("rb") as opened, progress_bar(f"Verifying {file}") as progress:
            size_bytes = os.fstat(opened.fileno()).st_size
            return check(_watched(opened, progress, size_bytes), keys, kept)
    except OSError as error:
        raise Failure(f"{file} cannot be read: {error.strerror}") from error
    except TranscriptError as error:
        if as_json:
            show_json({"sound": False, "line": error.line, "fault": error.fault.value, "detail": str(error)})
        raise Failure(f"{file}, {error}") from error


def _compare(file: Path, other: Path, *, as_json: bool) -> None:
    with file.open("rb") as here, other.open("rb") as there:
        found = first_difference(here, there)
    if found is None:
        return
    if as_json:
        show_json(
            {
                "sound": False,
                "line": found.line,
                "fault": "differs",
                "seq": found.seq,
                "field": found.field,
                "here": found.here,
                "there": found.there,
            }
        )
    raise Failure(
        f"{file} and {other} differ in line {found.line}: message {found.seq} has {found.field}"
        f" {found.here!r} here and {found.there!r} there"
    )


def _watched(lines: Iterable[bytes], progress: Progress, size_bytes: int) -> Iterator[bytes]:
    read_bytes = 0
    for line in lines:
        read_bytes += len(line)
        progress(read_bytes, size_bytes)
        yield line
