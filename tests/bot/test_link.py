import pytest

from liaison.bot.link import socket_url, websocket_dial


@pytest.mark.parametrize(
    ("given", "dialled"),
    [
        ("wss://office.example", "wss://office.example/api/v1/socket"),
        ("https://office.example/", "wss://office.example/api/v1/socket"),
        ("http://127.0.0.1:8080", "ws://127.0.0.1:8080/api/v1/socket"),
        ("wss://office.example/behind/a/proxy", "wss://office.example/behind/a/proxy"),
    ],
)
def test_office_address_becomes_its_sockets(given: str, dialled: str) -> None:
    assert socket_url(given) == dialled


@pytest.mark.parametrize(
    ("url", "warns"),
    [("ws://office.example/s", True), ("wss://office.example/s", False), ("ws://127.0.0.1/s", False)],
)
def test_token_over_a_line_that_others_read_is_warned_of(
    url: str, warns: bool, caplog: pytest.LogCaptureFixture
) -> None:
    websocket_dial(url, "lsn_secret")
    assert ("is not encrypted" in caplog.text) == warns
    assert "lsn_secret" not in caplog.text
