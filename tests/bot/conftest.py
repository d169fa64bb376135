"""What all tests of the SDK share."""

import pytest


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Peers are on this machine, whatever proxy its environment names; the SDK itself honours that."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
