"""The documents tell what was measured, and the report puts it there."""

import json
from pathlib import Path

import pytest

from bench import report

ROUND = {"us_per_delivery": 0.3, "deliveries_per_s": 2e6, "seen_p50_ms": 1.0, "seen_p99_ms": 2.0, "void": False}


def test_the_tables_in_the_documents_are_those_of_the_data() -> None:
    readme, scaling = report.README.read_text(), report.SCALING.read_text()
    assert report.with_cells(readme, report.reached(), column=2) == readme
    assert report.with_cells(scaling, report.modelled(), column=1) == scaling
    data = report.RESULTS / "servers.json"
    assert data.exists() is report.SERVERS.exists()
    if data.exists():
        assert report.SERVERS.read_text() == report.table_of_servers(json.loads(data.read_text()))


def test_every_figure_has_its_row_in_a_document() -> None:
    readme, scaling = report.README.read_text(), report.SCALING.read_text()
    names = [name for _load, _peer, _most, name in report._RATIOS] + [
        "hot: CPU a delivery",
        "publish → acknowledgement, p99, 1,000 messages/s",
        "presence, three nodes, 1 % changing a second",
        "resume of 10,000 at once",
        *report.reached(),
    ]
    assert [name for name in names if f"\n| {name} | " not in readme] == []
    assert [name for name in report.modelled() if f"\n| {name} | " not in scaling] == []


def test_the_median_of_the_rounds_that_count_is_told_and_what_is_reached_is_bold(tmp_path: Path) -> None:
    slow, void = ROUND | {"us_per_delivery": 0.4}, ROUND | {"us_per_delivery": 9.0, "void": True}
    servers = {"hot": {"liaison": [ROUND, slow, slow, void], "c_epoll": [ROUND], "nats": [ROUND | slow]}}
    (tmp_path / "servers.json").write_text(json.dumps(servers))
    assert report.reached(tmp_path) == {
        "hot: CPU a delivery": "**0.40 µs, 2.0 million/s**",
        "hot beside C on epoll, coalesced": "**1.33: 0.4 µs, and 0.3**",
        "hot beside NATS": "1: 0.4 µs, and 0.4",
    }
    assert "| hot | liaison | 3 | 0.400 | 2,000,000 | 1.0 | 2.0 | 1.000 |" in report.table_of_servers(servers)


@pytest.mark.parametrize(("column", "expected"), [(1, "| a | new | c |"), (2, "| a | b | new |")])
def test_only_rows_that_are_named_are_changed(column: int, expected: str) -> None:
    text = "a | b | c\n| a | b | c |\n| other | b | c |"
    assert report.with_cells(text, {"a": "new"}, column).split("\n") == ["a | b | c", expected, "| other | b | c |"]
