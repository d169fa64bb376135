"""The operations page of an office of two nodes, with a real Redis and PostgreSQL between them."""

import re
from collections.abc import Mapping

import pytest
from playwright.sync_api import Page, expect

from tests.browser.axe import serious_findings
from tests.browser.conftest import BRITISH, SignIn, SitDown
from tests.postgres_server import PASSWORD, PostgresServer
from tests.redis_server import shared_redis

pytestmark = [pytest.mark.browser, pytest.mark.system]

# A step is 5 s long, and the sum waits for the node that ends it last.
_FIGURES_MS = 20_000


@pytest.fixture(scope="module")
def settings(postgres_server: PostgresServer) -> Mapping[str, str]:
    return {
        "LIAISON_OFFICE__ID": postgres_server.furnished_office(),
        "LIAISON_POSTGRES__URL": postgres_server.url(password=""),
        "LIAISON_POSTGRES__PASSWORD": PASSWORD,
        "LIAISON_REDIS__URL": f"redis://{shared_redis().address}",
        "LIAISON_SERVER__WORKERS": "2",
        "LIAISON_SERVER__NODE": "node",
    }


def _figures(page: Page) -> list[list[str]]:
    """What stands in each row: all nodes first, then each."""
    rows = page.locator("table.nodes tbody tr")
    cells = "rows => rows.map((row) => [...row.cells].map((cell) => cell.innerText.trim()))"
    figures: list[list[str]] = rows.evaluate_all(cells)
    return figures


def _sessions_add_up(page: Page, least: int) -> bool:
    everything, *nodes = (int(row[1]) if row[1].isdigit() else -1 for row in _figures(page))
    return len(nodes) == 2 and min(nodes) >= 0 and everything == sum(nodes) >= least


def test_figures_of_every_node_and_their_sum_are_on_one_page(sign_in: SignIn, sit_down: SitDown) -> None:
    people = [sit_down(user) for user in ("south-1", "north-1")]
    ops = sign_in("ops", "/ops")
    rows = ops.locator("table.nodes tbody tr")
    expect(rows).to_have_count(3, timeout=_FIGURES_MS)
    headings = ops.locator("table.nodes thead").inner_text()
    assert "남측 → 북측 p99" in headings
    assert "북측 → 남측 p99" in headings
    for number, screen in enumerate(people):
        screen.say(f"합계에 듭니다 {number}")
    # Two people and ops, at whichever of the two nodes.
    for _ in range(_FIGURES_MS // 250):
        if _sessions_add_up(ops, 3):
            break
        ops.wait_for_timeout(250)
    assert _sessions_add_up(ops, 3), _figures(ops)
    expect(ops.locator(".tiles dd").first).to_have_text("3", timeout=_FIGURES_MS)
    # Both ways, after the sessions, the messages and the acknowledgements.
    for column in (4, 5):
        expect(rows.first.locator("th, td").nth(column)).to_have_text(re.compile(r"\d m?s$"), timeout=_FIGURES_MS)


def test_a_node_is_chosen_for_the_charts_and_stays_chosen_in_the_address(sign_in: SignIn) -> None:
    ops = sign_in("ops", "/ops")
    rows = ops.locator("table.nodes tbody tr")
    expect(rows).to_have_count(3, timeout=_FIGURES_MS)
    heading = ops.locator("[aria-labelledby=charts-title] .count")
    expect(heading).to_have_text("모든 노드")
    button = rows.nth(2).get_by_role("button")
    name = button.inner_text()
    button.click()
    expect(heading).to_contain_text(name)
    expect(ops).to_have_url(re.compile(r"[?&]of="))
    ops.reload()
    expect(heading).to_contain_text(name, timeout=_FIGURES_MS)
    expect(rows.nth(2).get_by_role("button")).to_have_attribute("aria-pressed", "true", timeout=_FIGURES_MS)
    assert serious_findings(ops) == []


# The column of a session's node, after the row's heading.
_NODE = 3


def test_sessions_of_both_nodes_are_in_one_table_and_end_at_whichever_they_are(
    sign_in: SignIn, sit_down: SitDown
) -> None:
    ops = sign_in("ops", "/ops", **BRITISH)
    rows = ops.locator("#sessions tbody tr")
    nodes = ops.locator("#sessions").get_by_label("Node", exact=True)
    south = sit_down("south-1", **BRITISH)
    session = rows.filter(has_text="south-1")
    expect(session).to_have_count(1)
    own_node = rows.filter(has=ops.get_by_text("ops", exact=True)).locator("td").nth(_NODE).inner_text()
    # The kernel chooses the node; that it chooses the same so often is one chance in four thousand.
    for _ in range(12):
        if session.locator("td").nth(_NODE).inner_text() != own_node:
            break
        south.page.goto("/livez")
        expect(session).to_have_count(0)
        south.page.goto("/")
        expect(session).to_have_count(1)
    other_node = session.locator("td").nth(_NODE).inner_text()
    assert other_node != own_node
    expect(nodes.locator("option")).to_have_text(["All nodes", *sorted([own_node, other_node])])
    session.get_by_role("button", name="Disconnect").click()
    ops.get_by_role("dialog").get_by_role("button", name="Disconnect").click()
    expect(ops.get_by_text("South 1 was disconnected.")).to_be_visible()
    expect(south.link).to_have_text("Connected")
    changed = ops.locator(".changes li", has_text="South 1").filter(has_text="disconnected by operations")
    expect(changed.first).to_be_visible()
    expect(ops.locator("table.nodes tbody tr")).to_have_count(3, timeout=_FIGURES_MS)
    assert serious_findings(ops) == []
