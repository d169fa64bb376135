"""What axe-core finds wrong on a screen as it is, in both appearances."""

from typing import Any

from playwright.sync_api import Page

from tests.browser.conftest import ROOT

_SOURCE = (ROOT / "client_js/node_modules/axe-core/axe.min.js").read_text(encoding="utf-8")
# Light and dark differ in colours alone: both come of one document by `color-scheme`.
_OF_COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}
_SCHEMES: tuple[tuple[Any, dict[str, Any]], ...] = (("dark", _OF_COLOURS), ("light", {}))
_FIND = """async (options) => (await axe.run({ resultTypes: ["violations"], ...options })).violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) =>
        `${id}: ${html.slice(0, 160)} ${failureSummary.slice(0, 200)}`))"""


def serious_findings(page: Page) -> list[str]:
    """Give what is serious or critical, by everything that axe looks at and, of colours, in light and in dark."""
    if page.evaluate("() => window.axe === undefined"):
        # Not as a script of the page: its policy lets no such script run.
        page.evaluate(_SOURCE)
    found: list[str] = []
    for scheme, options in _SCHEMES:
        # With motion a colour may be on its way to the other one.
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        found += [f"{scheme}: {finding}" for finding in page.evaluate(_FIND, options)]
    page.emulate_media(color_scheme="null", reduced_motion="null")
    return found
