"""The SDK reads what the wire's vectors hold: every frame of the server, field by field."""

import json
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest

from liaison.bot import messages
from liaison.bot.errors import MalformedFrame, Refused

VECTORS = Path(__file__).resolve().parents[1] / "vectors"
READERS: dict[str, Callable[[Mapping[str, Any]], object]] = {
    "connect": messages.read_welcome,
    "publish": lambda frame: messages.read(messages.Published, frame),
    "correct": lambda frame: messages.read(messages.Published, frame),
    "withdraw": lambda frame: messages.read(messages.Published, frame),
    "react": lambda frame: messages.read(messages.Published, frame),
    "history": messages.read_messages,
    "search": messages.read_messages,
    "channels": messages.read_channels,
    "open_direct": lambda frame: messages.read_channel(frame["channel"]),
    "presence": messages.read_presence,
}


def vectors(name: str) -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads((VECTORS / name).read_text(encoding="utf-8"))
    return found


def assert_same(value: object, frame: Any) -> None:
    """What a value has under a name of the frame's is what the frame has there."""
    if is_dataclass(value):
        for field in fields(value):
            if field.name in frame:
                assert_same(getattr(value, field.name), frame[field.name])
    elif isinstance(value, tuple):
        assert len(value) == len(frame)
        for item, expected in zip(value, frame, strict=True):
            assert_same(item, expected)
    elif not isinstance(value, Mapping | frozenset):
        assert value == frame


@pytest.mark.parametrize("vector", vectors("answers.json"), ids=lambda vector: vector["json"][:60])
def test_answers_are_read(vector: dict[str, str]) -> None:
    frame = messages.unpack(bytes.fromhex(vector["msgpack"]))
    if frame["type"] == "error":
        refused = messages.read_refusal(frame)
        assert isinstance(refused, Refused)
        assert (refused.name, refused.ref, refused.temporary) == (frame["name"], frame["ref"], frame["temporary"])
        assert refused.retry_after_ms == frame.get("retry_after_ms")
    elif vector["to"] in READERS:
        value = READERS[vector["to"]](frame)
        assert_same(value, frame["messages"] if isinstance(value, tuple) else frame.get("channel", frame))


@pytest.mark.parametrize("vector", vectors("pushes.json"), ids=lambda vector: vector["json"][:60])
def test_pushes_are_read(vector: dict[str, str]) -> None:
    frame = messages.unpack(bytes.fromhex(vector["msgpack"]))
    if frame["type"] == "message":
        assert_same(messages.read_message(frame), frame)


@pytest.mark.parametrize(
    "vector",
    [vector for vector in vectors("rejects.json") if vector["format"] == "msgpack" and vector["error"] == "malformed"],
    ids=lambda vector: vector["what"],
)
def test_what_is_no_frame_at_all_is_refused(vector: dict[str, Any]) -> None:
    repeat = vector["payload"].get("repeat")
    if repeat is None:
        payload = bytes.fromhex(vector["payload"]["hex"])
    else:
        before, unit, after = (bytes.fromhex(repeat[part]) for part in ("before", "unit", "after"))
        payload = before + unit * int(repeat["times"]) + after
    if " id" in f" {vector['what']}":
        # To a client that is a frame: a map with a type.
        messages.unpack(payload)
        return
    with pytest.raises(MalformedFrame):
        messages.unpack(payload)
