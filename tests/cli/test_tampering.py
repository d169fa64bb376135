"""Whoever edits the database is found out: by the chain, by the signatures, by kept heads, or by the other side's copy.

Each row of the table is an edit by somebody who has the database and this program. It says which evidence is needed,
and the test shows that less is not enough.
"""

import asyncio
import json
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from liaison.adapters.sql_rows import MESSAGE_COLUMNS, entry_of
from liaison.cli.exits import Exit
from liaison.config import load_config
from liaison.core.chain import GENESIS, link_of
from liaison.core.entries import Draft, EntryKind
from liaison.core.identifiers import ChannelId, DelegationId, Millis, UserId
from liaison.core.record_check import KeptHead
from liaison.core.signed_record import SignedHead
from liaison.ports.log import Log
from liaison.protocol.record_frames import KeyInfo
from liaison.wiring import back_office
from tests.cli.command_line import CommandLine, Finished
from tests.side_signer import OFFICE, SideSigner

GENERAL: Final = ChannelId("joint/general")
NOON_MS: Final = 1_536_894_000_000
SIGNERS: Final = {side: SideSigner(side) for side in ("south", "north")}
# Messages 1 to 8, both signatures (9, 10), 11 to 14, both signatures (15, 16), and 17, 18 which nobody has signed.
LAST: Final = 18


@dataclass(frozen=True)
class Evidence:
    """What each side has that the operator can't reach: keys, heads that were kept, and a copy."""

    keys: Path
    heads: Path
    copy: Path


def says(number: int, kind: EntryKind = EntryKind.TEXT, text: str = "", **more: Any) -> Draft:
    side = ("south", "north")[number % 2]
    words = text or (f"글 {number}" if kind is EntryKind.TEXT else "")
    return Draft(UserId(f"{side}-1"), DelegationId(side), f"k{number}", kind, words, **more)


async def write(log: Log) -> list[KeptHead]:
    drafts = [says(number) for number in range(1, 6)]
    drafts += [
        says(6, EntryKind.CORRECTION, "고친 글", ref=2),
        says(7, EntryKind.WITHDRAWAL, ref=3),
        says(8, EntryKind.REACTION, ref=4, reaction="👍"),
    ]
    await log.append(GENERAL, drafts, Millis(NOON_MS))
    kept = await both_sign(log, 8)
    await log.append(GENERAL, [says(number) for number in range(11, 15)], Millis(NOON_MS + 1000))
    kept += await both_sign(log, 14)
    await log.append(GENERAL, [says(17), says(18)], Millis(NOON_MS + 2000))
    return kept


async def both_sign(log: Log, seq: int) -> list[KeptHead]:
    entry = await log.entry(GENERAL, seq)
    assert entry is not None
    kept = []
    for side, signer in SIGNERS.items():
        fields = signer.head(GENERAL, seq, entry.link, NOON_MS + seq, epoch=2)
        head = SignedHead(office=OFFICE, **{name: value for name, value in fields.items() if name != "channel"})
        await log.append(GENERAL, [head.draft(UserId(f"{side}-bot"), DelegationId(side))], Millis(NOON_MS + seq))
        kept.append(KeptHead(**msgspec.structs.asdict(head), channel=GENERAL, delegation=side))
    return kept


@pytest.fixture
def evidence(liaison: CommandLine, tmp_path: Path) -> Evidence:
    """An office in its second epoch with a signed channel, and what both sides have of it."""

    async def fill() -> list[KeptHead]:
        config = load_config(None, {}, {"data.directory": str(liaison.data)})
        async with back_office(config, create=True) as office:
            return await write(office.log)

    liaison.ok("channel", "create", GENERAL)
    edit(liaison, lambda rows: rows.execute("UPDATE office SET epoch = 2").close())
    kept = asyncio.run(fill())
    found = Evidence(tmp_path / "keys.json", tmp_path / "heads.ndjson", tmp_path / "copy.ndjson")
    keys = [
        KeyInfo(
            signer.fingerprint, signer.public_key, side, signer.label, f"{side}-head", NOON_MS - 1, "valid", "proof"
        )
        for side, signer in SIGNERS.items()
    ]
    found.keys.write_bytes(msgspec.json.encode({"office": OFFICE, "keys": keys}))
    found.heads.write_bytes(b"".join(msgspec.json.encode(head) + b"\n" for head in kept))
    liaison.ok("export", GENERAL, "-o", str(found.copy))
    return found


def edit(liaison: CommandLine, change: Callable[[sqlite3.Connection], None]) -> None:
    with closing(sqlite3.connect(liaison.data / "office.db")) as rows, rows:
        change(rows)


def exported(liaison: CommandLine, to: Path) -> Path:
    to.unlink(missing_ok=True)
    liaison.ok("export", GENERAL, "-o", str(to))
    return to


# ------------------------------------------------------------------------------------------------------- the operator


def sets(assignment: str, seq: int) -> Callable[[sqlite3.Connection], None]:
    return lambda rows: rows.execute(f"UPDATE message SET {assignment} WHERE seq = {seq}").close()


def delete(rows: sqlite3.Connection, seq: int) -> None:
    """Take one out and close the gap, so that the file has no hole."""
    rows.execute("DELETE FROM message WHERE seq = ?", (seq,))
    for later in range(seq + 1, LAST + 1):
        rows.execute("UPDATE message SET seq = seq - 1 WHERE seq = ?", (later,))
    rows.execute("UPDATE channel_head SET head = head - 1")


def delete_tail(rows: sqlite3.Connection, after: int) -> None:
    rows.execute("DELETE FROM message WHERE seq > ?", (after,))
    rows.execute("UPDATE channel_head SET head = ?, link = (SELECT link FROM message WHERE seq = ?)", (after, after))


def insert(rows: sqlite3.Connection, seq: int) -> None:
    """Put in a message that was never written."""
    for later in range(LAST, seq - 1, -1):
        rows.execute("UPDATE message SET seq = seq + 1 WHERE seq = ?", (later,))
    rows.execute("CREATE TEMP TABLE copied AS SELECT * FROM message WHERE seq = 1")
    rows.execute(
        "UPDATE copied SET moment = (SELECT max(moment) + 1 FROM message), seq = ?, key = 'forged', text = '추가된 글'",
        (seq,),
    )
    rows.execute("INSERT INTO message SELECT * FROM copied")
    rows.execute("UPDATE channel_head SET head = head + 1")


def swap(rows: sqlite3.Connection, one: int, two: int) -> None:
    for before, after in ((one, -1), (two, one), (-1, two)):
        rows.execute("UPDATE message SET seq = ? WHERE seq = ?", (after, before))


def rechain(rows: sqlite3.Connection) -> None:
    """Compute every link anew, as whoever has this program can."""
    link, seq = GENESIS, 0
    for row in rows.execute(f"SELECT {MESSAGE_COLUMNS} FROM message ORDER BY seq").fetchall():
        entry = entry_of(GENERAL, row)
        seq = entry.seq
        link = link_of(link, GENERAL, seq, entry.time_ms, entry.draft)
        rows.execute("UPDATE message SET link = ? WHERE seq = ?", (link, seq))
    rows.execute("UPDATE channel_head SET head = ?, link = ?", (seq, link))


def rechained(*changes: Callable[[sqlite3.Connection], None]) -> Callable[[sqlite3.Connection], None]:
    def change(rows: sqlite3.Connection) -> None:
        for each in changes:
            each(rows)
        rechain(rows)

    return change


def signed_by(signer_of: Callable[[str], SideSigner]) -> Callable[[sqlite3.Connection], None]:
    """Put other signatures in the place of those that don't fit any more, by whatever key the operator has."""

    def change(rows: sqlite3.Connection) -> None:
        found = rows.execute("SELECT seq, delegation, data FROM message WHERE kind = 'signed_head' ORDER BY seq")
        for seq, side, data in found.fetchall():
            rechain(rows)
            old = json.loads(data)
            (link,) = rows.execute("SELECT link FROM message WHERE seq = ?", (old["seq"],)).fetchone()
            fields = signer_of(side).head(GENERAL, old["seq"], link, old["time_ms"], epoch=2)
            new = json.dumps({**old, **fields}, sort_keys=True, separators=(",", ":"))
            rows.execute("UPDATE message SET data = ? WHERE seq = ?", (new, seq))

    return change


def with_old_signatures(rows: sqlite3.Connection) -> None:
    """Say of each signature that it is over what stands there now: only the signature itself contradicts."""
    for seq in (9, 10, 15, 16):
        rechain(rows)
        ((data,),) = rows.execute("SELECT data FROM message WHERE seq = ?", (seq,)).fetchall()
        old = json.loads(data)
        (link,) = rows.execute("SELECT link FROM message WHERE seq = ?", (old["seq"],)).fetchone()
        new = json.dumps({**old, "link": link.hex()}, sort_keys=True, separators=(",", ":"))
        rows.execute("UPDATE message SET data = ? WHERE seq = ?", (new, seq))


def without_signatures(rows: sqlite3.Connection) -> None:
    for seq in (16, 15, 10, 9):
        rows.execute("DELETE FROM message WHERE seq = ?", (seq,))
    for seq, (moment,) in enumerate(rows.execute("SELECT moment FROM message ORDER BY seq").fetchall(), 1):
        rows.execute("UPDATE message SET seq = ? WHERE moment = ?", (seq, moment))


def signed_by_one_side(rows: sqlite3.Connection) -> None:
    """Take out what the other side has signed, and sign all anew."""
    for seq in (16, 10):
        delete(rows, seq)
    # What stood at 14 stands at 13 now.
    rows.execute("UPDATE message SET data = json_set(data, '$.seq', 13) WHERE seq = 14")
    signed_by(SIGNERS.__getitem__)(rows)


def roll_back_the_epoch(rows: sqlite3.Connection) -> None:
    """Also in the mark beside the database; else the office begins a new epoch when it is opened."""
    (_, _, database) = rows.execute("PRAGMA database_list").fetchone()
    Path(database).with_name("epoch").unlink()
    rows.execute("UPDATE office SET epoch = 1")


FORGERY: Final = sets("text = '바뀐 글'", 4)

CHANGED: Final = "changed: message {} is not what its link was computed from"
FORKED: Final = "not what was signed: south has signed message 8 with link"

# Name, edit, the least evidence that shows it, and what is said then. The evidence is the file's own chain, the
# signatures in it with the sides' keys, the heads that a side has kept, or the other side's copy. "keys" is what only
# the signatures themselves show, and not their places in the chain.
EDITS: Final[Sequence[tuple[str, Callable[[sqlite3.Connection], None], str, str]]] = (
    ("another text", FORGERY, "chain", CHANGED.format(4)),
    ("another sender", sets("sender = 'north-2'", 4), "chain", CHANGED.format(4)),
    ("another side", sets("delegation = 'north'", 4), "chain", CHANGED.format(4)),
    ("another time", sets("time_ms = time_ms + 60000", 4), "chain", CHANGED.format(4)),
    ("another kind", sets("kind = 'withdrawal'", 8), "chain", CHANGED.format(8)),
    ("an altered correction", sets("text = '아주 다른 글'", 6), "chain", CHANGED.format(6)),
    ("a tombstone that hits another message", sets("ref = 5", 7), "chain", CHANGED.format(7)),
    ("a tombstone that became a text", sets("kind = 'text', text = '글'", 7), "chain", CHANGED.format(7)),
    ("another link", sets("link = zeroblob(32)", 4), "chain", CHANGED.format(4)),
    ("a message taken out of the middle", lambda rows: delete(rows, 4), "chain", CHANGED.format(4)),
    (
        "a hole in the middle",
        lambda rows: rows.execute("DELETE FROM message WHERE seq = 4").close(),
        "chain",
        "gap: message 5 stands where 4 should",
    ),
    ("a message put in", lambda rows: insert(rows, 4), "chain", CHANGED.format(4)),
    ("two swapped", lambda rows: swap(rows, 4, 5), "chain", CHANGED.format(4)),
    ("another text, and all that follows chained anew", rechained(FORGERY), "signatures", FORKED),
    ("a message taken out, and chained anew", rechained(lambda rows: delete(rows, 4)), "signatures", FORKED),
    ("a message put in, and chained anew", rechained(lambda rows: insert(rows, 4)), "signatures", FORKED),
    (
        "an epoch rolled back, with its mark",
        roll_back_the_epoch,
        "signatures",
        "not what was signed: south has signed message 8 in epoch 2, the file is of epoch 1",
    ),
    (
        "chained anew, and the old signatures said to be over it",
        rechained(FORGERY, with_old_signatures),
        "keys",
        f"forged signature: the signature is not that of {SIGNERS['south'].fingerprint[:16]}",
    ),
    (
        "signed anew with keys of the operator's own",
        rechained(FORGERY, signed_by(lambda side: SideSigner(side, "x"))),
        "signatures",
        f"forged signature: signed with {SideSigner('south', 'x').fingerprint[:16]}…, which is no key of south",
    ),
    (
        "one side's signature put under the other's name",
        rechained(sets("delegation = 'north'", 9)),
        "signatures",
        f"forged signature: signed with {SIGNERS['south'].fingerprint[:16]}…, which is no key of north",
    ),
    ("chained anew, and every signature taken out", rechained(FORGERY, without_signatures), "heads", FORKED),
    (
        "the tail deleted with the signatures over it",
        lambda rows: delete_tail(rows, 8),
        "heads",
        "truncated: south has signed message 14, the file ends after 8",
    ),
    (
        "signed anew with one side's stolen key, the other's taken out",
        rechained(FORGERY, signed_by_one_side),
        "heads",
        FORKED,
    ),
    (
        "the tail deleted that nobody had signed",
        lambda rows: delete_tail(rows, 16),
        "copy",
        "message 17 has seq 'nothing' here and '17' there",
    ),
    (
        "the tail rewritten that nobody had signed",
        rechained(sets("text = '바뀐 글'", 17)),
        "copy",
        "differ in line 18: message 17 has",
    ),
    (
        "both sides' keys stolen, and all of it signed anew",
        rechained(FORGERY, signed_by(SIGNERS.__getitem__)),
        "heads",
        FORKED,
    ),
)


@pytest.mark.parametrize(("change", "needs", "says"), [row[1:] for row in EDITS], ids=[row[0] for row in EDITS])
def test_each_edit_is_found_by_the_evidence_that_is_said_and_by_no_less(
    liaison: CommandLine,
    evidence: Evidence,
    tmp_path: Path,
    change: Callable[[sqlite3.Connection], None],
    needs: str,
    says: str,
) -> None:
    edit(liaison, change)
    file = str(exported(liaison, tmp_path / "after.ndjson"))
    keys = ("--keys", str(evidence.keys))
    by: dict[str, Finished] = {
        "chain": liaison.run("verify", file),
        "signatures": liaison.run("verify", file, *keys),
        "heads": liaison.run("verify", file, *keys, "--heads", str(evidence.heads)),
        "copy": liaison.run("verify", file, str(evidence.copy), *keys, "--heads", str(evidence.heads)),
    }
    enough = False
    for name, finished in by.items():
        # Where a signature was put under the chain shows without keys as well; only whose it is doesn't.
        if name == "chain" and needs == "signatures":
            continue
        enough = enough or name == ("signatures" if needs == "keys" else needs)
        assert (finished.code == Exit.BAD) is enough, (name, finished.stdout, finished.stderr)
        if enough:
            # By the check that is meant to find it, and not by a later one.
            assert says in finished.stderr, (name, finished.stderr)


def test_an_untouched_record_passes_with_all_evidence_and_says_how_far_it_is_signed(
    liaison: CommandLine, evidence: Evidence, tmp_path: Path
) -> None:
    file = exported(liaison, tmp_path / "after.ndjson")
    arguments = ("--keys", str(evidence.keys), "--heads", str(evidence.heads))
    found = liaison.run("verify", str(file), str(evidence.copy), *arguments, "--json")
    assert found.code == Exit.OK, found.stderr
    assert found.json["signed"] == {"south": 14, "north": 14}
    assert "signed by north: up to 14" in liaison.run("verify", str(file), *arguments).stdout


def test_the_first_difference_of_two_copies_is_named_by_line_seq_and_field(
    liaison: CommandLine, evidence: Evidence, tmp_path: Path
) -> None:
    edit(liaison, rechained(sets("sender = 'south-9'", 17)))
    file = exported(liaison, tmp_path / "after.ndjson")
    found = liaison.run("verify", str(file), str(evidence.copy), "--json")
    assert found.code == Exit.BAD
    assert {name: found.json[name] for name in ("line", "seq", "field", "here", "there")} == {
        "line": 18,
        "seq": 17,
        "field": "sender",
        "here": "south-9",
        "there": "north-1",
    }
    assert "differ in line 18: message 17 has sender 'south-9' here and 'north-1' there" in found.stderr


def test_a_copy_that_ends_earlier_is_older_and_no_contradiction(
    liaison: CommandLine, evidence: Evidence, tmp_path: Path
) -> None:
    edit(liaison, lambda rows: delete_tail(rows, 12))
    older = exported(liaison, tmp_path / "older.ndjson")
    assert liaison.run("verify", str(evidence.copy), str(older)).code == Exit.OK
    found = liaison.run("verify", str(older), str(evidence.copy))
    assert found.code == Exit.BAD
    assert "message 13 has seq 'nothing' here" in found.stderr


@pytest.mark.parametrize(
    ("option", "content", "complaint"),
    [
        ("--keys", b"[]", "no file of keys"),
        ("--heads", b'{"channel":"joint/general"}\n', "line 1"),
    ],
)
def test_a_file_of_evidence_that_is_none_is_refused(
    liaison: CommandLine, evidence: Evidence, tmp_path: Path, option: str, content: bytes, complaint: str
) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_bytes(content)
    found = liaison.run("verify", str(evidence.copy), option, str(wrong))
    assert found.code == Exit.BAD
    assert complaint in found.stderr
