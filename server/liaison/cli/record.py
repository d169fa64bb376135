"""`liaison export` and `liaison verify`: a channel's record as a file, and the proof that it is whole."""

import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

import click

from liaison.cli.attachment_files import check_beside, folder_of, named_in
from liaison.cli.exits import Exit, Failure
from liaison.cli.progress import Progress, progress_bar
from liaison.cli.settings import json_option, office_options
from liaison.cli.tables import show_json
from liaison.core.identifiers import ChannelId
from liaison.core.record_check import Checked, KeptHead, Keys, check, first_difference, read_kept_heads, read_keys
from liaison.core.transcript import TranscriptError

if TYPE_CHECKING:
    # Verifying is for people who have no server.
    from liaison.config import Config
    from liaison.wiring import BackOffice


_PATH: Final = click.Path(path_type=Path)
_SUFFIX: Final = ".ndjson"


@click.command()
@click.argument("channel", required=False)
@click.option("--all", "is_all", is_flag=True, help="Every channel, each into its own file of the folder --output.")
@click.option("-o", "--output", metavar="FILE", type=_PATH, help="A new file, or with --all a folder. Default: stdout.")
@click.option("--without-attachments", is_flag=True, help="Only the record; it names each attachment by its hash.")
@office_options
def export(
    *, channel: str | None, is_all: bool, output: Path | None, without_attachments: bool, config: "Config"
) -> None:
    """Write all messages of CHANNEL as NDJSON that `liaison verify` can prove. Works beside a running server.

    With --output, what is attached to them is written into the folder FILE.attachments, which verify checks too.

    With --all, joint/general goes into FOLDER/joint/general.ndjson, and so does every other channel; `liaison verify
    FOLDER` proves them all.
    """
    if is_all == (channel is not None):
        raise Failure("name one channel, or --all", Exit.USAGE)
    if is_all and output is None:
        raise Failure("--all needs --output FOLDER", Exit.USAGE)
    from liaison.cli.back_office import in_office

    async def work(office: "BackOffice") -> None:
        channels = office.registry.rights.channels
        if channel is None:
            assert output is not None
            for name in sorted(channels):
                await _export_to(office, name, _file_of(output, name), has_attachments=not without_attachments)
            return
        name = ChannelId(channel)
        if name not in channels:
            raise Failure(f"there is no channel {channel!r}; `liaison channel list` shows them")
        if output is None:
            await _export(office, name, sys.stdout.buffer)
            sys.stdout.buffer.flush()
        else:
            await _export_to(office, name, output, has_attachments=not without_attachments)

    in_office(config, work)


def _file_of(folder: Path, channel: str) -> Path:
    """Give a channel's file; the folders on the way to it are made."""
    # No part of a channel's name begins with a dot, so that none leads out of the folder.
    file = folder / f"{channel}{_SUFFIX}"
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(file.parent, error) from error
    return file


async def _export_to(office: "BackOffice", channel: ChannelId, output: Path, *, has_attachments: bool) -> None:
    # Written beside, and named once it is complete: half an export is never taken for one.
    partial = output.with_name(f".{output.name}.partial")
    try:
        _must_be_new(output)
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            await _export(office, channel, file)
            file.flush()
            os.fsync(file.fileno())
        if has_attachments:
            await _export_attachments(office, partial, folder_of(output))
        # A hard link, unlike a renaming, never replaces a file.
        os.link(partial, output)
    except OSError as error:
        raise _unwritable(output, error) from error
    finally:
        partial.unlink(missing_ok=True)


def _must_be_new(path: Path) -> None:
    if path.exists():
        raise Failure(f"{path} exists; name a new file")


def _make_new(folder: Path) -> None:
    _must_be_new(folder)
    folder.mkdir(mode=0o700)


def _unwritable(path: Path, error: OSError) -> Failure:
    return Failure(f"{error.filename or path} cannot be written: {error.strerror}", Exit.UNAVAILABLE)


async def _export(office: "BackOffice", channel: ChannelId, file: BinaryIO) -> None:
    from liaison.cli.back_office import operator
    from liaison.office.transcript import EpochChangedError, export_channel

    head = (await office.log.heads([channel]))[channel].seq
    written = 0
    try:
        with progress_bar(f"Exporting {channel}") as progress:
            async for line in export_channel(office.log, channel, exported_by=""):
                file.write(line)
                written += 1
                # Header and trailer count as well; the bar needn't be exact.
                progress(written, head + 2)
    except EpochChangedError as error:
        raise Failure(f"{error}; begin again", Exit.UNAVAILABLE) from error
    await office.directory.audit(operator(), "channel.exported", channel, f"{written - 2} messages")


async def _export_attachments(office: "BackOffice", transcript: Path, folder: Path) -> None:
    from liaison.cli.attachment_files import write
    from liaison.ports.attachments import AttachmentsUnavailableError, MissingContentError

    with transcript.open("rb") as lines:
        wanted = sorted(named_in(lines))
    if not wanted:
        return
    _make_new(folder)
    is_whole = False
    try:
        await write(folder, wanted, office.attachments.contents.read)
        is_whole = True
    except MissingContentError as error:
        raise Failure(f"the attachment {error} is missing where it is stored", Exit.UNAVAILABLE) from error
    except AttachmentsUnavailableError as error:
        raise Failure(str(error), Exit.UNAVAILABLE) from error
    finally:
        if not is_whole:
            shutil.rmtree(folder, ignore_errors=True)


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

    FILE may be a folder that `liaison export --all` wrote, and OTHER another: then all records in them are checked.
    """
    if other is not None and file in (other, "-"):
        raise Failure("name two different files", Exit.USAGE)
    try:
        keys = None if keys_file is None else read_keys(keys_file.read_bytes())
        kept = [] if heads_file is None else read_kept_heads(heads_file.read_bytes().splitlines())
    except OSError as error:
        raise Failure(f"{error.filename} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise Failure(f"no file of keys, or of heads: {error}") from error
    if not Path(file).is_dir():
        _verify(file, other, _Proofs(keys, kept, link), as_json=as_json)
        return
    if link is not None:
        raise Failure("--link is about one record; name its file", Exit.USAGE)
    for one, its_other in _pairs(Path(file), None if other is None else Path(other)):
        _verify(str(one), None if its_other is None else str(its_other), _Proofs(keys, kept), as_json=as_json)


def _pairs(folder: Path, other: Path | None) -> Sequence[tuple[Path, Path | None]]:
    """Give the records in a folder, each with the other copy of it where there is one."""
    here = _records_in(folder)
    there = set() if other is None else _records_in(other)
    if missing := sorted(there - here):
        raise Failure(f"{folder / missing[0]} is missing, {other} has it")
    return [(folder / name, other / name if other is not None and name in there else None) for name in sorted(here)]


def _records_in(folder: Path) -> set[Path]:
    records = {path.relative_to(folder) for path in folder.rglob(f"*{_SUFFIX}") if path.is_file()}
    if not records:
        raise Failure(f"no record is in {folder}")
    return records


@dataclass(frozen=True, slots=True)
class _Proofs:
    """What a record must agree with, beside itself."""

    keys: Keys | None
    kept: Sequence[KeptHead]
    link: str | None = None


def _verify(file: str, other: str | None, proofs: _Proofs, *, as_json: bool) -> None:
    checked = _checked(file, proofs, as_json=as_json)
    verified = checked.verified
    attached = check_beside(Path(file)) if file != "-" else 0
    if proofs.link is not None and proofs.link.lower() != verified.link.hex():
        raise Failure(
            f"{file} is sound in itself, but ends in link {verified.link.hex()} and not in {proofs.link.lower()}"
        )
    if other is not None:
        across = _checked(other, _Proofs(proofs.keys, ()), as_json=as_json).verified
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
    if proofs.keys is not None:
        for side in sorted({key.delegation for key in proofs.keys.keys}):
            click.echo(
                f"signed by {side}: " + (f"up to {checked.signed[side]}" if side in checked.signed else "nothing")
            )


def _checked(file: str, proofs: _Proofs, *, as_json: bool) -> Checked:
    try:
        if file == "-":
            return check(sys.stdin.buffer, proofs.keys, proofs.kept)
        with Path(file).open("rb") as opened, progress_bar(f"Verifying {file}") as progress:
            size_bytes = os.fstat(opened.fileno()).st_size
            return check(_watched(opened, progress, size_bytes), proofs.keys, proofs.kept)
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
