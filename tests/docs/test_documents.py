"""README, ARCHITECTURE, THREAT_MODEL and CHANGELOG name what exists, and the lists in them are whole."""

import re
from functools import cache
from pathlib import Path

import pytest

from liaison.cli.root import _COMMANDS
from liaison.edges.metrics import METRICS
from liaison.office.hub import POLL_JITTER, REORDER_GRACE_S
from liaison.office.settings import OfficeSettings
from tests.docs.markdown import ROOT, document, name, names, section, table

DOCUMENTS = (
    "README.md",
    "ARCHITECTURE.md",
    "PROTOCOL.md",
    "THREAT_MODEL.md",
    "CHANGELOG.md",
    "bench/README.md",
    "bench/SCALING.md",
    "client_js/src/sdk/README.md",
    "server/liaison/bot/README.md",
    "tests/vectors/README.md",
)
README, ARCHITECTURE = document("README.md"), document("ARCHITECTURE.md")


@cache
def anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("place", DOCUMENTS)
def test_links_lead_to_files_and_headings_that_exist(place: str) -> None:
    here = ROOT / place
    for target in re.findall(r"\]\(([^)\s]+)\)", document(place)):
        if target.startswith("https://"):
            continue
        file, _, anchor = target.partition("#")
        path = (here.parent / file).resolve() if file else here
        assert path.exists(), target
        assert not anchor or anchor in anchors(path), target


def test_architecture_is_short_enough_to_be_read() -> None:
    assert len(ARCHITECTURE.splitlines()) < 250


def test_every_path_of_the_code_map_exists() -> None:
    rows = re.findall(r"^\| (`[^|]*) \| (.*) \|$", ARCHITECTURE.split("## Code map")[1].split("## ")[0], re.MULTILINE)
    assert len(rows) > 10
    for where, what in rows:
        first, *others = names(where)
        folder = (ROOT / first) if first.endswith("/") else (ROOT / first).parent
        assert (ROOT / first).exists(), first
        for path in [*others, *(path for path in names(what) if re.search(r"\.\w+$|/$", path))]:
            assert any((base / path).exists() for base in (folder, folder.parent, ROOT)), path


def test_every_file_that_a_decision_names_exists() -> None:
    for path in re.findall(r"`((?:edges|office|core|adapters|ports|tests)/[\w/]+\.py)`", ARCHITECTURE):
        assert (ROOT / path).exists() or (ROOT / "server/liaison" / path).exists(), path


def test_every_metric_is_listed_with_its_labels() -> None:
    rows = {name(row["metric"]): tuple(names(row["labels"])) for row in table(ARCHITECTURE, "metric")}
    assert rows == {metric.name: metric.labels for metric in METRICS}


def test_every_command_is_listed() -> None:
    listed = [command for row in table(README, "command") for command in names(row["command"])]
    assert sorted(listed) == sorted(f"liaison {command}" for command in _COMMANDS)


def test_every_function_and_module_that_the_browser_sdk_names_exists() -> None:
    folder = ROOT / "client_js/src/sdk"
    readme = document("client_js/src/sdk/README.md").split("# The build")[0]
    # What the reader brings is no part of the SDK: the first example hands it in.
    prose = re.sub(r"^```.*?^```", "", readme, flags=re.DOTALL | re.MULTILINE)
    modules = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.js")}
    source = "\n".join(modules.values())
    calls = {call for code in names(prose) for call in re.findall(r"\b([a-z]\w+)\(", code)} - {"now", "fn"}
    assert len(calls) > 50
    for call in sorted(calls):
        assert re.search(rf"^(?:export )?(?:  )?(?:async )?(?:function )?{call}\(", source, re.MULTILINE), call
    listed = {module for row in table(readme, "module") for module in names(row["module"])}
    assert listed == set(modules)


def test_makes_targets_that_are_named_exist() -> None:
    makefile = document("Makefile")
    for target in re.findall(r"^make (\S+)", README, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_settings_that_are_named_exist() -> None:
    import tomllib

    manual = tomllib.loads(document("deploy/liaison.toml"))
    for setting in re.findall(r"`(server|office|data|limits|metrics|log)\.(\w+)`", README):
        section_name, key = setting
        assert key in manual[section_name], setting


def test_times_of_delivery_are_those_of_the_code() -> None:
    assert f"{REORDER_GRACE_S * 1000:g} ms" in ARCHITECTURE
    poll_s = OfficeSettings().poll_interval_s
    assert poll_s == 1.0
    assert f"up to {poll_s * (1 + POLL_JITTER):g} s late" in ARCHITECTURE


def test_every_test_that_the_threat_model_names_exists() -> None:
    named = re.findall(r"`(tests/\S+?)::(\w+)`", document("THREAT_MODEL.md"))
    assert len(named) >= 20
    for path, test in named:
        source = (ROOT / path).read_text(encoding="utf-8")
        assert re.search(rf"^(?:async )?def {test}\(", source, re.MULTILINE), (path, test)


def test_each_of_the_ten_classes_names_a_test() -> None:
    text = document("THREAT_MODEL.md").split("## Ten classes")[1].split("## ")[0]
    classes = re.split(r"^\d+\. \*\*", text, flags=re.MULTILINE)[1:]
    assert len(classes) == 10
    assert all("::test_" in each for each in classes)


def test_the_changelog_knows_the_version_that_is_built() -> None:
    version = re.search(r'^version = "(.+)"$', document("pyproject.toml"), re.MULTILINE)
    assert version is not None
    assert version.group(1) in document("CHANGELOG.md")


def test_the_package_carries_the_readme() -> None:
    assert re.search(r'^readme = "README.md"$', document("pyproject.toml"), re.MULTILINE)


def test_numbered_sections_can_be_found() -> None:
    # What the other tests stand on: a section ends where the next one begins.
    text = "# T\n## 1. A\none\n### 1.1 B\ntwo\n## 2. C\nthree\n"
    assert section(text, "1") == "\none\n### 1.1 B\ntwo\n"
    assert section(text, "1.1") == "\ntwo\n"
