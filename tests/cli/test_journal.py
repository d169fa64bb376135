"""The journal is one event a line on stderr, whoever writes it, and never holds a secret."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from liaison.cli.journal import mask_secrets, set_up_journal
from liaison.config import LogSection

TOKEN = "lsn_Pyi2yOjaiP49kmpmuX6MKjT5HnrriauOS0moelIbJP4"


@pytest.fixture
def journal() -> Iterator[None]:
    """The process's logging, put back afterwards."""
    before = logging.getLogger().handlers[:], logging.getLogger().level, structlog.get_config()
    set_up_journal(LogSection(level="info", format="json"))
    yield
    logging.getLogger().handlers[:] = before[0]
    logging.getLogger().setLevel(before[1])
    structlog.configure(**before[2])


@pytest.mark.parametrize("name", ["token", "password", "totp_secret", "Cookie", "authorization", "metrics_token"])
def test_what_is_named_like_a_secret_is_masked(name: str) -> None:
    assert mask_secrets(None, "info", {"event": "x", name: "s3cret"})[name] == "***"


def test_a_token_is_masked_wherever_it_stands() -> None:
    event = mask_secrets(None, "info", {"event": f"refused {TOKEN}!", "reason": f"{TOKEN} has ended", "ref": "abc"})
    assert event == {"event": "refused ***!", "reason": "*** has ended", "ref": "abc"}


def test_events_of_ours_and_of_libraries_have_one_form(journal: None, capsys: pytest.CaptureFixture[str]) -> None:
    set_up_journal(LogSection(level="info", format="json"))
    structlog.get_logger("ours").info("동의", side="south", token=TOKEN)
    logging.getLogger("theirs").warning("about %s", TOKEN)
    ours, theirs = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert (ours["event"], ours["level"], ours["side"], ours["token"]) == ("동의", "info", "south", "***")
    assert (theirs["event"], theirs["level"], theirs["logger"]) == ("about ***", "warning", "theirs")
    assert ours["timestamp"].endswith("Z")


def test_what_is_below_the_level_is_left_out(journal: None, capsys: pytest.CaptureFixture[str]) -> None:
    set_up_journal(LogSection(level="warning", format="json"))
    structlog.get_logger("ours").info("quiet")
    logging.getLogger("theirs").info("quiet")
    assert capsys.readouterr().err == ""


def test_a_secret_in_a_traceback_is_masked(journal: None, capsys: pytest.CaptureFixture[str]) -> None:
    set_up_journal(LogSection(format="json"))
    try:
        raise ValueError(f"bad {TOKEN}")
    except ValueError:
        structlog.get_logger("ours").exception("failed")
    written = capsys.readouterr().err
    assert "ValueError: bad ***" in written
    assert TOKEN not in written
