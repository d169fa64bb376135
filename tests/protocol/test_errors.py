"""Each error is one row, and the tree says what becomes of the connection."""

import re
from pathlib import Path

import pytest

from liaison.protocol import errors
from liaison.protocol.close_codes import CloseCode, may_reconnect
from liaison.protocol.errors import ErrorCode, LiaisonError, Refused, RemoteProtocolError, Unavailable


def test_numbers_and_names_are_unique() -> None:
    assert len({error.value.code for error in ErrorCode}) == len(ErrorCode)
    assert len({error.wire_name for error in ErrorCode}) == len(ErrorCode)
    # Enum makes equal rows one member, which then has two names.
    assert len(ErrorCode.__members__) == len(ErrorCode)


def test_names_are_what_the_wire_has() -> None:
    assert ErrorCode.NO_SUCH_CHANNEL.wire_name == "no_such_channel"


@pytest.mark.parametrize("error", ErrorCode)
def test_http_statuses_are_errors_that_agree_on_whose_turn_it_is(error: ErrorCode) -> None:
    row = error.value
    assert 400 <= row.http_status < 600
    # What the server can't do now is always temporary; what a client did wrong is only where it may simply wait,
    # or come again because it was late.
    if row.http_status >= 500:
        assert row.temporary
    elif row.temporary:
        assert row.http_status in (408, 429)


@pytest.mark.parametrize("error", [error for error in ErrorCode if error.value.close_code is not None])
def test_a_close_agrees_with_its_error_on_trying_again(error: ErrorCode) -> None:
    assert may_reconnect(error.value.close_code) is error.value.temporary


def test_every_error_and_close_code_is_sent_by_something() -> None:
    """What nothing sends is a promise that nobody keeps; a row of a table doesn't name its own member."""
    server = Path(errors.__file__).parents[1]
    code = "\n".join(path.read_text(encoding="utf-8") for path in server.rglob("*.py"))
    assert {error.name for error in ErrorCode} - set(re.findall(r"ErrorCode\.([A-Z_]+)", code)) == set()
    carried = {error.value.close_code for error in ErrorCode}
    named = {CloseCode[name] for name in re.findall(r"\bCloseCode\.([A-Z_]+)", code) if name in CloseCode.__members__}
    assert set(CloseCode) - named - carried == set()


def test_who_must_wait_is_told_how_long() -> None:
    error = Unavailable("not now")
    assert error.code.value.temporary
    assert error.retry_after_ms == 1000


def test_the_tree_tells_what_ends_a_connection_from_what_does_not() -> None:
    assert isinstance(Unavailable("not now"), Refused)
    assert not isinstance(RemoteProtocolError("nonsense"), Refused)
    assert RemoteProtocolError("nonsense").code.value.close_code is CloseCode.MALFORMED
    assert str(LiaisonError(ErrorCode.INTERNAL, "a bug")) == "a bug"
