"""The committed vectors are what the code makes, and the code reads them as they say."""

import base64
import json
import time
from base64 import b64decode
from typing import Any, get_args

import msgpack
import msgspec
import pytest

from liaison.core import korean
from liaison.core.chain import GENESIS, link_of
from liaison.core.entries import Draft, EntryKind, Precedence
from liaison.core.identifiers import (
    ChannelId,
    DelegationId,
    Millis,
    UserId,
    kind_of,
    parse_channel,
    parse_delegation,
    parse_user,
)
from liaison.core.side_keys import is_signed
from liaison.protocol import frames
from liaison.protocol.codec import InvalidCommand, WireFormat, decode_command
from liaison.protocol.commands import AnyCommand
from liaison.protocol.limits import MAX_FRAME_BYTES
from liaison.protocol.signed_heads import HeadStatement, KeyStatement, fingerprint_of
from tests.vectors import generate

# The refusal of 64 KiB takes under a millisecond; a shared machine may stall for many.
REFUSAL_BOUND_S = 0.5


def read(name: str) -> Any:
    return json.loads((generate.FOLDER / name).read_text(encoding="utf-8"))


COMMANDS, ANSWERS, PUSHES, REJECTS = map(read, ("commands.json", "answers.json", "pushes.json", "rejects.json"))


def tag(kind: type[msgspec.Struct]) -> str:
    return str(kind.__struct_config__.tag)


def payload_of(reject: dict[str, Any]) -> bytes:
    payload = reject["payload"]
    if "hex" in payload:
        return bytes.fromhex(payload["hex"])
    repeat = payload["repeat"]
    before, unit, after = (bytes.fromhex(repeat[part]) for part in ("before", "unit", "after"))
    return before + unit * int(repeat["times"]) + after


def plain(value: Any) -> Any:
    """Bring what the reference implementation decoded into JSON's form."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


@pytest.mark.parametrize("name", generate.contents())
def test_generating_again_gives_the_same_bytes(name: str) -> None:
    assert (generate.FOLDER / name).read_text(encoding="utf-8") == generate.contents()[name]


def test_every_file_is_generated_and_described() -> None:
    readme = (generate.FOLDER / "README.md").read_text(encoding="utf-8")
    files = {path.name for path in generate.FOLDER.glob("*.json")}
    assert files == set(generate.contents())
    assert all(f"`{name}`" in readme for name in files)


def test_every_command_answer_and_push_has_a_vector() -> None:
    assert {json.loads(vector["json"])["type"] for vector in COMMANDS} == set(map(tag, get_args(AnyCommand)))
    assert {vector["to"] for vector in ANSWERS if "to" in vector} == set(map(tag, get_args(AnyCommand)))
    assert {json.loads(vector["json"])["type"] for vector in PUSHES} == set(map(tag, get_args(frames.AnyPush)))


def test_every_field_of_a_command_has_a_vector() -> None:
    for kind in get_args(AnyCommand):
        used: set[str] = set().union(
            *(json.loads(vector["json"]) for vector in COMMANDS if json.loads(vector["json"])["type"] == tag(kind))
        )
        assert used - {"type"} == set(kind.__struct_fields__), kind


@pytest.mark.parametrize("vector", COMMANDS, ids=lambda vector: vector["json"][:60])
def test_a_command_is_the_same_in_both_formats(vector: dict[str, str]) -> None:
    from_json = decode_command(vector["json"].encode(), WireFormat.JSON)
    from_msgpack = decode_command(bytes.fromhex(vector["msgpack"]), WireFormat.MSGPACK)
    assert from_json == from_msgpack
    stated = json.loads(vector["json"])
    understood = msgspec.to_builtins(from_json)
    assert {name: understood[name] for name in stated} == stated


@pytest.mark.parametrize("vector", COMMANDS, ids=lambda vector: vector["json"][:60])
def test_the_reference_implementation_packs_a_command_to_the_same_bytes(vector: dict[str, str]) -> None:
    assert msgpack.packb(json.loads(vector["json"])).hex() == vector["msgpack"]


@pytest.mark.parametrize("vector", [*ANSWERS, *PUSHES], ids=lambda vector: vector["json"][:60])
def test_a_frame_is_the_same_in_both_formats(vector: dict[str, str]) -> None:
    unpacked = msgpack.unpackb(bytes.fromhex(vector["msgpack"]))
    assert plain(unpacked) == json.loads(vector["json"])


@pytest.mark.parametrize("vector", REJECTS, ids=lambda vector: f"{vector['format']}: {vector['what']}")
def test_a_reject_is_refused_at_once_with_its_error(vector: dict[str, Any]) -> None:
    payload = payload_of(vector)
    assert len(payload) <= MAX_FRAME_BYTES, "a longer one never comes to the codec"
    wire = WireFormat.JSON if vector["format"] == "json" else WireFormat.MSGPACK
    began_s = time.perf_counter()
    with pytest.raises(InvalidCommand) as caught:
        decode_command(payload, wire)
    assert time.perf_counter() - began_s < REFUSAL_BOUND_S
    error = caught.value
    assert (error.code.wire_name, error.command_id) == (vector["error"], vector["id"])
    assert (error.code.value.close_code is not None) is vector["ends"]


def test_links_chain() -> None:
    link = GENESIS
    for seq, row in enumerate(read("chain.json"), 1):
        draft = Draft(
            UserId(row["sender"]),
            DelegationId(row["delegation"]),
            row["key"],
            EntryKind(row["kind"]),
            text=row["text"],
            ref=row["ref"],
            reaction=row["reaction"],
            removed=row["removed"],
            mentions=tuple(map(UserId, row["mentions"])),
            precedence=Precedence(row["precedence"]),
            data=row["data"],
        )
        link = link_of(link, ChannelId(row["channel"]), row["seq"], Millis(row["time_ms"]), draft)
        assert (row["seq"], row["link"]) == (seq, link.hex())


def test_the_reference_implementation_computes_the_same_links() -> None:
    import hashlib

    link = bytes(32)
    for row in read("chain.json"):
        *fields, expected = row.values()
        link = hashlib.sha256(link + msgpack.packb(fields)).digest()
        assert link.hex() == expected


def test_names_are_accepted_and_refused_as_stated() -> None:
    parse: dict[str, Any] = {"user": parse_user, "delegation": parse_delegation, "channel": parse_channel}
    names = read("identifiers.json")
    for what, texts in names["valid"].items():
        assert [parse[what](text) for text in texts] == texts
    for what, texts in names["invalid"].items():
        for text in texts:
            with pytest.raises(ValueError):
                parse[what](text)
    assert {channel: kind_of(ChannelId(channel)).value for channel in names["valid"]["channel"]} == names["kinds"]


def test_texts_fold_as_stated() -> None:
    pairs = read("search.json")
    for row in pairs["same"]:
        assert {korean.fold(text) for text in row["texts"]} == {row["folded"]}
    for one, other in pairs["different"]:
        assert korean.fold(one) != korean.fold(other)


def test_statements_have_these_bytes_and_signatures_are_accepted_and_refused_as_stated() -> None:
    vectors = read("signed.json")
    for row in vectors["heads"]:
        public_key, expected, signature = (row.pop(name) for name in ("public_key", "bytes", "signature"))
        statement = HeadStatement(**row | {"link": bytes.fromhex(row["link"])}).to_bytes()
        assert statement.hex() == expected
        assert is_signed(b64decode(public_key), b64decode(signature), statement)
    for row in vectors["keys"]:
        public_key, expected, signature = (row.pop(name) for name in ("public_key", "bytes", "signature"))
        statement = KeyStatement(**row).to_bytes()
        assert statement.hex() == expected
        assert fingerprint_of(b64decode(public_key)) == row["fingerprint"]
        assert is_signed(b64decode(public_key), b64decode(signature), statement)
    for row in vectors["refused"]:
        statement = bytes.fromhex(row["bytes"])
        assert not is_signed(b64decode(row["public_key"]), b64decode(row["signature"]), statement), row["what"]
