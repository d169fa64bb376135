"""The range of a close code is its verdict, so that old clients obey new codes."""

import pytest

from liaison.protocol.close_codes import CloseCode, may_reconnect


@pytest.mark.parametrize("code", [None, 1001, 1005, 1006, 1011, 1012, 1013, 4000, 4004, 4321, 4499])
def test_clients_come_back_after_these(code: int | None) -> None:
    assert may_reconnect(code)


@pytest.mark.parametrize("code", [1000, 1002, 1003, 1007, 1008, 1009, 1010, 4500, 4506, 4777, 4999])
def test_clients_stay_away_after_these(code: int) -> None:
    assert not may_reconnect(code)


def test_codes_are_unique_and_within_what_rfc_6455_allows() -> None:
    assert len(CloseCode.__members__) == len(CloseCode)
    for code in CloseCode:
        assert 1000 <= code <= 1012 or 4000 <= code <= 4999


def test_a_spelt_code_fits_a_close_frame() -> None:
    # A control frame holds 125 bytes, two of which are the code.
    assert all(len(code.name) <= 123 for code in CloseCode)
