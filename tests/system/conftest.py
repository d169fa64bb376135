"""How long the longest of these tests take."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("system").addoption(
        "--long-stall", action="store_true", help="let stalled readers stall for 60 s (in `make test`: 15 s)"
    )
