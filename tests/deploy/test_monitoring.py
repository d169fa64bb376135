"""Rules, dashboard and runbook speak of metrics that there are, and leave none out."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import pytest
import yaml

from liaison.edges.metrics import METRICS, Metrics
from tests.docs.markdown import ROOT, document, name, table

DEPLOY: Final = ROOT / "deploy"
RUNBOOK: Final = document("deploy/RUNBOOK.md")

# What Prometheus itself knows of each target, beside what we expose.
_OF_PROMETHEUS: Final = frozenset({"up"})
_FUNCTIONS: Final = frozenset(
    {"absent", "and", "by", "histogram_quantile", "increase", "label_values", "max", "min", "rate", "sum"}
)
_SUFFIXES: Final = {"histogram": ("_bucket", "_sum", "_count"), "gauge": ("",), "counter": ("",)}
_LABELS: Final = {metric.name: set(metric.labels) for metric in METRICS}
_OF_TARGETS: Final = frozenset({"instance", "job", "le"})


def series() -> dict[str, str]:
    """Give the name of each time series, and the metric that it belongs to."""
    ours = {metric.name + suffix: metric.name for metric in METRICS for suffix in _SUFFIXES[metric.kind]}
    exposed = re.findall(r"^# TYPE (process_\w+) ", Metrics().exposition().decode(), re.MULTILINE)
    return {**ours, **{each: each for each in (*exposed, *_OF_PROMETHEUS)}}


def names_in(expression: str) -> set[str]:
    """Give what an expression names outside of its label matchers, texts and ranges."""
    bare = re.sub(r'\{[^}]*\}|\[[^\]]*\]|"[^"]*"|\bby \([^)]*\)', " ", expression)
    return set(re.findall(r"[a-zA-Z_:][a-zA-Z0-9_:]*", bare)) - _FUNCTIONS


def labels_in(expression: str) -> set[str]:
    matched = [
        label for body in re.findall(r"\{([^}]*)\}", expression) for label in re.findall(r"(\w+)\s*(?:=|!=|=~)", body)
    ]
    grouped = [label.strip() for body in re.findall(r"\bby \(([^)]*)\)", expression) for label in body.split(",")]
    return {*matched, *grouped} - _OF_TARGETS


def rules() -> list[dict[str, Any]]:
    loaded = yaml.safe_load((DEPLOY / "prometheus/liaison.rules.yaml").read_text())
    return [rule for group in loaded["groups"] for rule in group["rules"]]


def dashboard() -> dict[str, Any]:
    loaded = json.loads((DEPLOY / "grafana/liaison.json").read_text())
    assert isinstance(loaded, dict)
    return loaded


def expressions() -> Iterator[str]:
    yield from (rule["expr"] for rule in rules())
    for panel in dashboard()["panels"]:
        yield from (target["expr"] for target in panel.get("targets", ()))


def anchors() -> set[str]:
    headings = re.findall(r"^##+ (.+)$", RUNBOOK, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


def test_every_expression_is_about_series_and_labels_that_there_are() -> None:
    known = series()
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    for expression in expressions():
        used = names_in(expression)
        assert used, expression
        assert used <= known.keys() | recorded, expression
        assert expression.count("(") == expression.count(")"), expression
        metrics = {known[each] for each in used & known.keys()}
        labels = {label for metric in metrics for label in _LABELS.get(metric, ())}
        assert labels_in(expression) <= labels, expression


def test_every_metric_of_ours_is_on_the_dashboard() -> None:
    shown = {
        each
        for panel in dashboard()["panels"]
        for target in panel.get("targets", ())
        for each in names_in(target["expr"])
    }
    assert {metric.name for metric in METRICS} <= {series()[each] for each in shown}


def test_counters_are_never_shown_as_they_are() -> None:
    counters = {metric.name for metric in METRICS if metric.kind == "counter"} | {"process_cpu_seconds_total"}
    for expression in expressions():
        for counter in names_in(expression) & counters:
            assert re.search(rf"(?:rate|increase)\({counter}\b", expression), expression


def test_panels_lie_beside_and_below_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    ids = set()
    for panel in dashboard()["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not taken & cells, panel["title"]
        taken |= cells
        ids.add(panel["id"])
    assert len(ids) == len(dashboard()["panels"])


def test_every_alert_says_what_is_wrong_how_urgent_it_is_and_where_to_read_on() -> None:
    alerts = [rule for rule in rules() if "alert" in rule]
    assert len({rule["alert"] for rule in alerts}) == len(alerts) >= 10
    for rule in alerts:
        assert rule["labels"]["severity"] in ("page", "warn"), rule["alert"]
        assert rule["annotations"]["summary"].endswith("."), rule["alert"]
        file, _, anchor = rule["annotations"]["runbook"].partition("#")
        assert (file, anchor in anchors()) == ("RUNBOOK.md", True), rule["alert"]
        unknown = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"])) - _OF_TARGETS
        assert unknown <= labels_in(rule["expr"]), rule["alert"]


def test_the_runbook_has_every_metric_in_a_section_and_in_its_index() -> None:
    index = {name(row["metric"]): row["section"] for row in table(RUNBOOK, "metric")}
    assert list(index) == [metric.name for metric in METRICS]
    sections = dict(re.findall(r"^## (.+)\n((?:(?!^## ).*\n)*)", RUNBOOK, re.MULTILINE))
    for metric, cell in index.items():
        heading = cell.partition("[")[2].partition("]")[0]
        assert f"`{metric}`" in sections[heading], metric


def test_the_runbook_speaks_of_no_metric_that_is_none() -> None:
    assert set(re.findall(r"\b(?:liaison|process)_[a-z_]+\b", RUNBOOK)) <= {
        each.removesuffix("_bucket") for each in series()
    } | {metric.name for metric in METRICS}


def test_every_link_of_the_runbook_leads_somewhere() -> None:
    links = re.findall(r"\]\(([^)]+)\)", RUNBOOK)
    assert links
    for link in links:
        file, _, anchor = link.partition("#")
        assert (DEPLOY / file).exists() if file else anchor in anchors(), link


def test_the_runbook_has_every_reason_of_a_node_that_is_not_ready() -> None:
    source = (ROOT / "server/liaison/office/office.py").read_text()
    body = source[source.index("async def readiness") :].partition("\n    # ---")[0]
    reasons = {text.partition(":")[0] for text in re.findall(r'"([a-z][^"{]*)', body) if not text.startswith("Give")}
    assert {"draining", "deaf to the bus"} < reasons
    assert {name(row["reason at `/readyz`"]) for row in table(RUNBOOK, "reason at `/readyz`")} == reasons


@pytest.mark.parametrize("setting", sorted(set(re.findall(r"`((?:limits|server|postgres|redis)\.\w+)`", RUNBOOK))))
def test_settings_that_the_runbook_names_are_there(setting: str) -> None:
    from liaison.config import Config

    section, _, key = setting.partition(".")
    assert hasattr(getattr(Config(), section), key)
