"""What axe-core finds wrong on a screen as it is, in both appearances."""

from typing import Literal

from playwright.sync_api import Page

from tests.browser.conftest import ROOT

Scheme = Literal["light", "dark"]

_SOURCE = (ROOT / "client_js/node_modules/axe-core/axe.min.js").read_text(encoding="utf-8")
# Light and dark differ in colours alone: both come of one document by `color-scheme`.
_OF_COLOURS = ["color-contrast", "link-in-text-block"]
# What can only find what is less than serious isn't run, and nothing that the page has loaded is loaded again.
_FIND = """async ([within, runOnly]) => {
    const isSerious = ({ impact }) => impact === "serious" || impact === "critical";
    const isOff = axe._audit.rules.filter((rule) => !isSerious(rule)).map(({ id }) => [id, { enabled: false }]);
    const of = runOnly ? { runOnly } : { rules: Object.fromEntries(isOff) };
    const { violations } = await axe.run(within, { resultTypes: ["violations"], preload: false, ...of });
    return violations.filter(isSerious).flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) =>
        `${id}: ${html.slice(0, 160)} ${failureSummary.slice(0, 200)}`));
}"""


def serious_findings(page: Page, *schemes: Scheme, within: str = "html") -> list[str]:
    """Give what is serious or critical in part of a page, by everything that axe looks at.

    Without `schemes` it looks in light and, at colours, in dark. One is enough for a screen that another test looks at
    in the other, and in another language: colours don't depend on the language, and nothing else on the scheme.
    """
    if page.evaluate("() => window.axe === undefined"):
        # Not as a script of the page: its policy lets no such script run.
        page.evaluate(_SOURCE)
    found: list[str] = []
    for number, scheme in enumerate(schemes or ("light", "dark")):
        # With motion a colour may be on its way to the other one.
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        findings = page.evaluate(_FIND, [within, _OF_COLOURS if number else None])
        found += [f"{scheme}: {finding}" for finding in findings]
    page.emulate_media(color_scheme="null", reduced_motion="null")
    return found
