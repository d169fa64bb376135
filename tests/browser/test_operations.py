"""What operations see, and that nobody else does."""

import re
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.axe import Scheme, serious_findings
from tests.browser.conftest import BRITISH, SignIn, SitDown
from tests.live_server import LiveServer

pytestmark = [pytest.mark.browser, pytest.mark.system]

ROWS = "#sessions tbody tr"


def test_table_of_sessions_is_live(sign_in: SignIn, sit_down: SitDown) -> None:
    ops = sign_in("ops", "/ops")
    rows = ops.locator(ROWS)
    expect(rows).to_have_count(1)
    south = sit_down("south-1")
    row = rows.filter(has_text="south-1")
    expect(row).to_contain_text("남측")
    expect(row).to_contain_text("web/0.1.0")
    expect(row).to_contain_text("이 컴퓨터")
    south.page.close()
    expect(row).to_have_count(0)


def test_filter_narrows_the_table(sign_in: SignIn, sit_down: SitDown) -> None:
    sit_down("south-1")
    sit_down("north-1")
    ops = sign_in("ops", "/ops")
    expect(ops.locator(ROWS)).to_have_count(3)
    ops.get_by_role("searchbox").fill("북측")
    expect(ops.locator(ROWS)).to_have_count(1)
    expect(ops.locator(ROWS)).to_contain_text("north-1")
    ops.get_by_role("searchbox").fill("아무도 아님")
    expect(ops.locator(ROWS)).to_have_count(0)
    expect(ops.locator(".table-frame .empty")).to_be_visible()


def test_cause_of_a_change_of_presence_is_told(sign_in: SignIn, sit_down: SitDown) -> None:
    ops = sign_in("ops", "/ops", **BRITISH)
    north = sit_down("north-2")
    changes = ops.locator(".changes li", has_text="North 2")
    expect(changes.filter(has_text="came online")).to_contain_text("connected")
    # Not by closing it: whether a browser still says good-bye for a page whose process ends is chance.
    north.page.goto("/livez")
    expect(changes.filter(has_text="became uncertain")).to_contain_text("closed")
    expect(changes.filter(has_text="went offline")).to_be_visible(timeout=20_000)
    # A page that is opened later still has the answer, for the very minute and as a link to pass on.
    minute = ops.evaluate(
        "() => new Date(Date.now() - new Date().getTimezoneOffset() * 60e3).toISOString().slice(0, 16)"
    )
    later = sign_in("ops", f"/ops?who=north-2&at={minute}", **BRITISH)
    expect(later.locator(".answer")).to_contain_text("North 2 – Offline since")
    expect(later.locator(".answer")).to_contain_text(": closed")
    expect(later.locator(".changes li")).to_have_count(3)
    expect(later.get_by_text("in memory only")).to_be_visible()
    later.get_by_role("button", name="Back to now").click()
    expect(later.locator(".answer")).to_have_count(0)
    assert "at=" not in later.url


def test_officials_are_told_that_the_page_is_not_theirs(sign_in: SignIn) -> None:
    page = sign_in("south-head", "/ops", **BRITISH)
    expect(page.get_by_role("heading")).to_have_text("This page is for operations")
    expect(page.locator("table")).to_have_count(0)
    page.get_by_role("link", name="Go to the chat").click()
    expect(page.locator(".channels")).to_be_visible()


def test_operations_read_no_messages(sign_in: SignIn) -> None:
    page = sign_in("ops", **BRITISH)
    expect(page.get_by_role("heading")).to_have_text("This account has no channels")
    expect(page.locator(".message")).to_have_count(0)


def test_filters_are_in_the_address_and_survive_a_reload(sign_in: SignIn, sit_down: SitDown) -> None:
    sit_down("south-1")
    sit_down("south-2")
    sit_down("north-1")
    ops = sign_in("ops", "/ops", **BRITISH)
    rows = ops.locator(ROWS)
    expect(rows).to_have_count(4)
    ops.locator("#sessions").get_by_label("Side", exact=True).select_option("south")
    expect(rows).to_have_count(2)
    ops.get_by_role("searchbox").fill("south-2")
    expect(rows).to_have_count(1)
    assert ops.url.endswith("/ops?q=south-2&side=south")
    ops.reload()
    expect(rows).to_have_count(1)
    expect(ops.get_by_role("searchbox")).to_have_value("south-2")
    expect(ops.locator("#sessions").get_by_label("Side", exact=True)).to_have_value("south")
    ops.get_by_role("searchbox").fill("")
    ops.locator("#sessions").get_by_label("User", exact=True).select_option("south-1")
    ops.locator("#sessions").get_by_label("Node", exact=True).select_option(index=1)
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("south-1")
    assert re.search(r"\?side=south&node=[^&]+&user=south-1$", ops.url)


def test_nothing_is_claimed_to_be_known_while_the_server_is_away(sign_in: SignIn, server: LiveServer) -> None:
    ops = sign_in("ops", "/ops")
    expect(ops.locator(ROWS)).to_have_count(1)
    server.kill()
    try:
        expect(ops.locator(".tile dd").first).to_have_text("확인 불가")
        expect(ops.locator("#sessions .count")).to_have_text("확인 불가")
        expect(ops.locator(".alarms li")).to_have_text("서버에 연결되지 않음: 이 화면의 내용은 지금의 상태가 아닙니다")
        expect(ops.locator(ROWS)).to_have_count(0)
    finally:
        server.start()
    expect(ops.locator(ROWS)).to_have_count(1, timeout=30_000)


def test_alarms_come_and_go_by_themselves(sign_in: SignIn, sit_down: SitDown) -> None:
    # Nobody is in their grace period at a server that has just started.
    ops = sign_in("ops", "/ops", **BRITISH)
    unstaffed = ops.locator(".alarms li[data-severity=alarm]", has_text="South side: nobody is at the desk")
    expect(unstaffed).to_be_visible(timeout=20_000)
    sit_down("south-2")
    expect(unstaffed).to_have_count(0)


@pytest.mark.parametrize("width", [1280, 390])
def test_what_can_be_done_about_a_session_is_in_reach_on_any_screen(
    sign_in: SignIn, sit_down: SitDown, width: int
) -> None:
    sit_down("south-1")
    ops = sign_in("ops", "/ops", **BRITISH, viewport={"width": width, "height": 800})
    row = ops.locator(ROWS, has_text="south-1")
    for name in ("Disconnect", "Revoke"):
        box = row.get_by_role("button", name=name).bounding_box()
        assert box is not None
        assert box["x"] + box["width"] <= width


def _size_px(place: Locator) -> float:
    return float(place.evaluate("element => parseFloat(getComputedStyle(element).fontSize)"))


# Alarms that aren't there, for a day on which they are.
_REPEAT = """(alarm, count) => {
    const list = alarm.parentNode;
    while (list.childElementCount < count) {
        const another = alarm.cloneNode(true);
        another.querySelector("span").textContent = "South side → North side takes 1.2 s, the other direction 150 ms";
        list.append(another);
    }
}"""


def test_wall_is_read_from_afar_and_has_nothing_to_press(sign_in: SignIn, sit_down: SitDown) -> None:
    sit_down("south-1")
    wall = sign_in("ops", "/ops", **BRITISH, viewport={"width": 1920, "height": 1080})
    wall.goto("/ops?wall=1")
    expect(wall.locator(".wall-side", has_text="South side").locator(".wall-state")).to_have_text("Staffed")
    north = wall.locator(".wall-side", has_text="North side")
    expect(north.locator(".wall-state")).to_have_text("Unstaffed", timeout=30_000)
    alarm = wall.locator(".alarms li", has_text="North side: nobody is at the desk")
    expect(alarm).to_be_visible()
    expect(wall.locator("input, select, table, .top-bar")).to_have_count(0)
    # Three metres: a letter of 1 cm is read with ease; on a screen of 60 cm width that is 32 px of type.
    for place in (alarm, wall.locator(".wall-state").first, wall.locator(".tile dd").first):
        assert _size_px(place) >= 32
    assert _size_px(wall.locator(".tile dt").first) >= 24
    fits = "({ scrollHeight, scrollWidth }) => scrollHeight <= innerHeight && scrollWidth <= innerWidth"
    assert wall.locator("html").evaluate(fits)
    # A bad day must not push the last row off the screen, where nobody scrolls: neither with six alarms nor with all
    # that there are, in words that need three lines.
    expect(wall.locator(".legend")).to_have_count(3)
    for count in (6, 18):
        alarm.evaluate(_REPEAT, count)
        expect(wall.locator(".alarms li")).to_have_count(count)
        for place in (wall.locator(".alarms li").last, wall.locator(".legend").last):
            expect(place).to_be_in_viewport(ratio=0.99)
        assert wall.locator("html").evaluate(fits)
    wall.locator(".alarms li").evaluate_all("alarms => alarms.slice(1).forEach((alarm) => alarm.remove())")
    expect(wall.locator(".plot").last).to_be_in_viewport(ratio=0.99)
    assert _size_px(alarm) >= 32, "type grows back when the alarms are over"
    wall.keyboard.press("Escape")
    expect(wall.locator(ROWS)).to_have_count(2)
    assert wall.url.endswith("/ops")
    wall.get_by_role("button", name="Wall").click()
    expect(wall.locator(".wall")).to_be_visible()
    assert wall.url.endswith("/ops?wall=1")


def test_a_phone_scrolls_in_one_direction(sign_in: SignIn, sit_down: SitDown) -> None:
    sit_down("south-1")
    ops = sign_in("ops", "/ops", **BRITISH, viewport={"width": 390, "height": 844})
    expect(ops.locator(ROWS)).to_have_count(2)
    expect(ops.locator(".plot canvas")).to_have_count(7)
    assert ops.locator("html").evaluate("({ scrollWidth }) => scrollWidth") == 390


def test_disconnected_session_comes_back_by_itself(sign_in: SignIn, sit_down: SitDown) -> None:
    south = sit_down("south-3", **BRITISH)
    ops = sign_in("ops", "/ops", **BRITISH)
    row = ops.locator(ROWS, has_text="south-3")
    expect(row).to_have_count(1)
    before = _session_since(ops, "south-3")
    button = row.get_by_role("button", name="Disconnect 남측 연락관 3 · South 3")
    button.focus()
    ops.keyboard.press("Enter")
    dialog = ops.get_by_role("dialog")
    expect(dialog).to_contain_text("Disconnect this session of")
    # Whoever only looked goes back to where they were.
    ops.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(button).to_be_focused()
    assert _session_since(ops, "south-3") == before
    ops.keyboard.press("Enter")
    expect(dialog).to_be_visible()
    for _ in range(4):
        # The browser's own window comes in turn, nothing of the page behind the question does.
        ops.keyboard.press("Tab")
        inside = "() => document.activeElement === document.body || document.activeElement.closest('dialog') !== null"
        assert ops.evaluate(inside)
    dialog.get_by_role("button", name="Disconnect").click()
    expect(dialog).to_have_count(0)
    expect(ops.get_by_text("A session of 남측 연락관 3 · South 3 was disconnected.")).to_be_visible()
    expect(south.link).to_have_text("Connected")
    changed = ops.locator(".changes li", has_text="South 3").filter(has_text="disconnected by operations")
    expect(changed.first).to_be_visible()
    expect(row).to_have_count(1)
    south.say("still here")
    expect(south.messages.filter(has_text="still here")).to_be_visible()


def _session_since(ops: Page, user: str) -> str:
    return ops.locator(ROWS, has_text=user).locator("td").nth(6).inner_text()


def test_revoked_person_is_signed_out_everywhere(sign_in: SignIn, sit_down: SitDown, cookies: dict[str, Any]) -> None:
    screens = [sit_down("north-4", **BRITISH) for _ in range(2)]
    ops = sign_in("ops", "/ops", **BRITISH)
    rows = ops.locator(ROWS, has_text="north-4")
    expect(rows).to_have_count(2)
    rows.first.get_by_role("button", name="Revoke the access of 북측 연락관 4 · North 4").click()
    dialog = ops.get_by_role("dialog")
    # A reason is asked for.
    dialog.get_by_role("button", name="Revoke").click()
    expect(dialog).to_be_visible()
    dialog.get_by_label("Reason").fill("the laptop was left in a taxi")
    dialog.get_by_role("button", name="Revoke").click()
    expect(rows).to_have_count(0)
    del cookies["north-4"]
    for screen in screens:
        expect(screen.page.locator("[name=password]")).to_be_visible()
    expect(ops.locator(".changes li", has_text="North 4").filter(has_text="revoked").first).to_be_visible()
    # The password still lets them in: what was stolen was the sign-in.
    sign_in("north-4", anew=True)


def test_what_can_not_be_done_is_said_in_the_question(sign_in: SignIn, sit_down: SitDown) -> None:
    south = sit_down("south-4", **BRITISH)
    ops = sign_in("ops", "/ops", **BRITISH)
    ops.locator(ROWS, has_text="south-4").get_by_role("button", name="Disconnect").click()
    south.page.close()
    expect(ops.locator(ROWS, has_text="south-4")).to_have_count(0)
    dialog = ops.get_by_role("dialog")
    dialog.get_by_role("button", name="Disconnect").click()
    expect(dialog.get_by_role("alert")).to_be_visible()
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_have_count(0)


# How many pixels have the colour of a side: what is drawn without any data is grey.
_COLOURED = """canvas => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    let coloured = 0;
    for (let at = 0; at < data.length; at += 4) {
        const [red, green, blue, alpha] = data.subarray(at, at + 4);
        if (alpha > 200 && Math.max(red, green, blue) - Math.min(red, green, blue) > 60) coloured += 1;
    }
    return coloured;
}"""


def test_charts_are_drawn_of_what_is_pushed_and_ask_nobody_else(
    sign_in: SignIn, sit_down: SitDown, server: LiveServer
) -> None:
    south, north = sit_down("south-1", **BRITISH), sit_down("north-1", **BRITISH)
    ops = sign_in("ops", "/ops", **BRITISH)
    requests: list[str] = []
    reports: list[str] = []
    ops.on("request", lambda request: requests.append(request.url))
    ops.on("console", lambda message: reports.append(message.text) if message.type == "error" else None)
    ops.reload()
    plots = ops.locator(".plot")
    expect(plots).to_have_count(7)
    points = int(plots.first.get_attribute("data-points") or 0)
    asked = len(requests)
    south.say("across")
    expect(north.messages.filter(has_text="across").first).to_be_visible()
    seen = ops.locator(".chart", has_text="Publish to seen, South side → North side")
    expect(seen.locator(".legend b").first).to_have_text(re.compile(r"\d m?s$"), timeout=15_000)
    expect(plots.first).not_to_have_attribute("data-points", str(points), timeout=15_000)
    for title in ("Sessions", "Messages per second", "Publish to acknowledgement"):
        chart = ops.locator(".chart", has=ops.get_by_text(title, exact=True))
        # A line of the first two steps is a dot, and grows with each.
        canvas = chart.locator("canvas").element_handle()
        ops.wait_for_function(f"canvas => ({_COLOURED})(canvas) > 8", arg=canvas, polling=500, timeout=30_000)
    expect(plots.first).to_have_attribute("aria-label", re.compile(r"^Sessions\. Latest: .*South side \d"))
    assert [url for url in requests[asked:] if "chunk" not in url] == [], "figures come over the line, not by asking"
    assert all(url.startswith((server.url, server.ws_url)) for url in requests)
    assert reports == []


def test_nothing_serious_stands_in_the_way_of_anybody(
    locale: dict[str, str], scheme: Scheme, sign_in: SignIn, sit_down: SitDown
) -> None:
    sit_down("south-1")
    ops = sign_in("ops", "/ops", **locale)
    expect(ops.locator(ROWS)).to_have_count(2)
    expect(ops.locator(".plot canvas")).to_have_count(7)
    assert serious_findings(ops, scheme) == []
    ops.locator(".actions .danger").first.click()
    expect(ops.get_by_role("dialog")).to_be_visible()
    assert serious_findings(ops, scheme, within="dialog[open]") == []
    ops.keyboard.press("Escape")
    ops.locator("input[type=datetime-local]").fill("2026-11-24T14:03")
    expect(ops.locator(".changes + .empty, .empty + .empty").first).to_be_visible()
    assert serious_findings(ops, scheme) == []
    ops.goto("/ops?wall=1")
    expect(ops.locator(".wall-state")).to_have_count(2)
    assert serious_findings(ops, scheme) == []
