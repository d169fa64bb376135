"""The bounds fit each other."""

import msgspec

from liaison.protocol import frames, limits
from liaison.protocol.codec import WireFormat, decode_command
from liaison.protocol.names import TOKEN_PREFIX


def test_the_longest_message_fits_a_frame_in_json_too() -> None:
    # Korean as `\uXXXX` takes six bytes for three; a client may write it so.
    text = "\\uac00" * (limits.MAX_TEXT_BYTES // 3)
    mentions = ",".join(f'"{"u" * limits.MAX_USER_CHARS}"' for _ in range(limits.MAX_MENTIONS))
    payload = (
        f'{{"type":"publish","id":{limits.MAX_SAFE_INTEGER},"channel":"{"c" * limits.MAX_CHANNEL_CHARS}",'
        f'"key":"{"k" * limits.MAX_KEY_CHARS}","text":"{text}","reply_to":{limits.MAX_SAFE_INTEGER},'
        f'"mentions":[{mentions}],"precedence":"life_safety"}}'
    ).encode()
    assert len(payload) <= limits.MAX_FRAME_BYTES
    command = decode_command(payload, WireFormat.JSON)
    assert isinstance(command, frames.Publish)
    assert len(command.text.encode()) <= limits.MAX_TEXT_BYTES


def test_the_longest_connect_fits_the_frame_that_is_allowed_before_it() -> None:
    longest = frames.Connect(
        id=limits.MAX_SAFE_INTEGER,
        token=TOKEN_PREFIX.ljust(limits.MAX_TOKEN_CHARS, "x"),
        client="\U0001f30a" * limits.MAX_CLIENT_CHARS,
        device="\U0001f30a" * limits.MAX_CLIENT_CHARS,
    )
    for encode in (msgspec.json.encode, msgspec.msgpack.encode):
        assert len(encode(longest)) <= limits.MAX_UNAUTHENTICATED_FRAME_BYTES


def test_a_batch_takes_at_least_one_message_of_any_size() -> None:
    assert limits.MAX_BATCH_BYTES > limits.MAX_TEXT_BYTES * 3 + 1024


def test_the_largest_integer_is_the_largest_that_a_double_holds_exactly() -> None:
    assert int(float(limits.MAX_SAFE_INTEGER)) == limits.MAX_SAFE_INTEGER
    assert float(limits.MAX_SAFE_INTEGER + 1) == float(limits.MAX_SAFE_INTEGER + 2)


def test_a_pong_is_awaited_for_less_than_the_time_between_two_pings() -> None:
    assert limits.PONG_TIMEOUT_MS < limits.PING_INTERVAL_MS
