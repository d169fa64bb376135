"""`liaison export` and `liaison verify`: a channel's record as a file, and the proof that it is whole."""

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from liaison.cli.exits import Exit, Failure
from liaison.cli.progress import Progress, progress_bar
from liaison.cli.settings import json_option, office_options
from liaison.cli.tables import show_json
from liaison.core.transcript import TranscriptError
from liaison.core.transcript import verify as verify_transcript

if TYPE_CHECKING:
    # Verifying is for people who have no server.
    from liaison.config import Config
    from liaison.wiring import BackOffice


@click.command()
@click.argument("channel")
@click.option("-o", "--output", metavar="FILE", type=click.Path(path_type=Path), help="A new file. Default: stdout.")
@office_options
def export(*, channel: str, output: Path | None, config: "Config") -> None:
    """Write all messages of CHANNEL as NDJSON that `liaison verify` can prove. Works beside a running server."""
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


@click.command()
@click.argument("file", metavar="FILE")
@click.option("--link", metavar="HEX", help="The last link as the other side kept it: the file must end in it.")
@json_option
def verify(*, file: str, link: str | None, as_json: bool) -> None:
    """Check an exported record, '-' for stdin; needs nothing but the file. Exits with 1 and names the first bad line.

    Whoever rewrites the whole rest of a file can make it sound again, but not with the same last link: compare the
    link that is printed with the one that the other side has.
    """
    try:
        if file == "-":
            verified = verify_transcript(sys.stdin.buffer)
        else:
            with Path(file).open("rb") as opened, progress_bar(f"Verifying {file}") as progress:
                size_bytes = os.fstat(opened.fileno()).st_size
                verified = verify_transcript(_watched(opened, progress, size_bytes))
    except OSError as error:
        raise Failure(f"{file} cannot be read: {error.strerror}") from error
    except TranscriptError as error:
        if as_json:
            show_json({"sound": False, "line": error.line, "fault": error.fault.value, "detail": str(error)})
        raise Failure(f"{file}, {error}") from error
    if link is not None and link.lower() != verified.link.hex():
        raise Failure(f"{file} is sound in itself, but ends in link {verified.link.hex()} and not in {link.lower()}")
    if as_json:
        show_json(
            {
                "sound": True,
                "channel": verified.channel,
                "epoch": verified.epoch,
                "seq": verified.seq,
                "link": verified.link.hex(),
            }
        )
    else:
        click.echo(f"{verified.channel}: {verified.seq} messages of epoch {verified.epoch}, link {verified.link.hex()}")


def _watched(lines: Iterable[bytes], progress: Progress, size_bytes: int) -> Iterator[bytes]:
    read_bytes = 0
    for line in lines:
        read_bytes += len(line)
        progress(read_bytes, size_bytes)
        yield line
