"""The duty desk: line checks with one key, handovers, heads that both sides sign; and hostile words in all of it."""

import re
import sqlite3
from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Route, expect

from liaison.core.entries import Stored
from liaison.core.identifiers import DelegationId, Millis, UserId
from liaison.core.line_check import Facts, Heartbeat, verdict
from liaison.core.line_check_register import Checks, Hand, ending, fold, request
from liaison.core.register_channels import LINE_CHECKS
from liaison.wiring import BackOffice
from tests.browser.axe import serious_findings
from tests.browser.conftest import BRITISH, SignIn, SitDown
from tests.browser.register_screen import LETTER, RegisterScreen
from tests.browser.test_hostile_text import SCRIPTS
from tests.live_server import LiveServer

pytestmark = [pytest.mark.browser, pytest.mark.system]


@pytest.fixture(scope="module")
def settings() -> Mapping[str, str]:
    """The scheduled line check is half a day away, so that none comes in between."""
    hour = (datetime.now(ZoneInfo("Asia/Seoul")).hour + 12) % 24
    return {"LIAISON_LINE_CHECKS__TIMES": f"{hour:02}:30"}


def test_one_key_answers_the_other_desk_and_the_strip_says_so(sign_in: SignIn) -> None:
    south, north = (RegisterScreen(sign_in(f"{side}-1", **BRITISH)) for side in ("south", "north"))
    south.open("joint/line-checks")
    south.button("Call besides the schedule").click()
    # Wherever one is on the page, the check that waits for one's desk stands above it.
    expect(north.page.locator(".notices .open-check")).to_contain_text("Answer now")
    expect(south.page.locator(".open-check")).to_contain_text("Waits on North side")
    expect(north.badge("joint/line-checks")).to_have_text("Waiting for your side: 11")
    # The key counts also where the registers are still on their way.
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    north.page.route("**/static/chat-last-style-*.css", hold)
    north.page.reload()
    expect(north.page.locator(".person").first).to_be_visible()
    north.page.keyboard.press("F9")
    while not held:
        north.page.wait_for_event("request")
    held[0].continue_()
    expect(south.page.locator(".open-check")).to_have_count(0)
    expect(north.page.locator(".open-check")).to_have_count(0)
    north.open("joint/line-checks")
    for screen in (south, north):
        line = screen.page.locator(".line-checks li").first
        expect(line.locator(".outcome")).to_have_attribute("data-outcome", "answered")
        expect(line).to_contain_text("South 1 → ")
        expect(screen.page.locator(".strip ol .cell[data-outcome=answered]")).to_have_count(1)
        # Entries that nobody has to act on are no news.
        expect(screen.badge("joint/line-checks")).to_have_count(0)


UP, UNSTAFFED, DOWN = Heartbeat(True, True), Heartbeat(True, False), Heartbeat(False, False)
# What the office knew of the desk that was called when the time was up, and what the page says then.
OUTCOMES: list[tuple[Heartbeat | None, str, str]] = [
    (UNSTAFFED, "desk_unstaffed", "Line up, desk unstaffed (North side)"),
    (UP, "not_answered", "Line up, not answered (North side)"),
    (DOWN, "line_down", "Line down (North side): no client of that side was connected"),
    (None, "line_down", "Line down: the office could not tell"),
]


def test_each_silence_has_its_reason_on_the_page(sign_in: SignIn, server: LiveServer) -> None:
    async def hold(office: BackOffice) -> None:
        south, north = DelegationId("south"), DelegationId("north")
        for number, (called, _, _) in enumerate(OUTCOMES):
            now_ms = Millis(office.clock.wall_ms())
            hand = Hand(UserId("south-1"), south, f"outcome {number}")
            appended = await office.log.append(LINE_CHECKS, [request(Checks(), hand, "", 180_000)], now_ms)
            (outcome,) = appended.outcomes
            assert isinstance(outcome, Stored)
            (check,) = fold(Checks(), outcome.entry).checks.values()
            sides = {} if called is None else {south: UP, north: called}
            found = verdict(Facts(south, north, True, sides or None))
            await office.log.append(LINE_CHECKS, [ending(check, found, sides)], now_ms)

    server.administer(hold)
    screen = RegisterScreen(sign_in("north-2", **BRITISH))
    screen.open("joint/line-checks")
    lines, cells = screen.page.locator(".line-checks li .outcome"), screen.page.locator(".strip ol .cell")
    for _, name, text in OUTCOMES:
        expect(lines.and_(screen.page.locator(f"[data-outcome={name}]")).filter(has_text=text)).to_have_count(1)
        expect(cells.and_(screen.page.get_by_role("img", name=text))).to_have_count(1)
    # Ops see the same, and both desks as they are now, on their own page.
    ops = sign_in("ops", "/ops", **BRITISH)
    board = ops.get_by_role("region", name="Duty desks and line checks")
    expect(board.locator(".key", has_text="North side")).to_have_text(re.compile("desk staffed|desk unstaffed"))
    expect(board.locator(".key", has_text="South side")).to_be_visible()
    for _, _, text in OUTCOMES:
        expect(board.locator(".strip ol").get_by_role("img", name=text)).to_have_count(1)
    assert serious_findings(ops) == []


def test_what_is_open_is_handed_over_to_who_acknowledges_it(sign_in: SignIn) -> None:
    leaving, coming = (RegisterScreen(sign_in(f"south-{number}", **BRITISH)) for number in (3, 4))
    leaving.open("joint/dispatches")
    leaving.draft({**LETTER, "subject": "Water levels"})
    for screen in (leaving, coming):
        screen.open("south/duty")
    leaving.step("Hand over", notes="The line to the crossing is noisy")
    expect(coming.page.locator(".open-items")).to_contain_text("The line to the crossing is noisy")
    expect(coming.badge("south/duty")).to_have_text("Waiting for your side: 11")
    # What has no number yet is named as people would, and not by the register's id.
    draft = coming.page.locator(".open-items li", has_text="Water levels")
    expect(draft).to_have_text(re.compile(r"^Dispatch Draft Water levels$"))
    expect(leaving.button("Take over")).to_have_count(0)
    coming.step("Take over")
    past = leaving.page.locator(".line-checks li")
    expect(past.first).to_contain_text(re.compile(r"South 3.*→.*South 4.*Taken over", re.DOTALL))
    expect(coming.badge("south/duty")).to_have_count(0)
    # A calendar can be chosen as a file, and what is wrong in it is said with its line.
    coming.button("Import").click()
    calendar = b"BEGIN:VCALENDAR\r\nSUMMARY \xb1\xd9\xb9\xab\r\nEND:VCALENDAR\r\n"
    coming.dialog.get_by_label("From a file").set_input_files(
        {"name": "duty.ics", "mimeType": "text/calendar", "buffer": calendar}
    )
    expect(coming.dialog.locator("[name=text]")).to_have_value("BEGIN:VCALENDAR\nSUMMARY 근무\nEND:VCALENDAR\n")
    coming.dialog.locator("button[type=submit]").click()
    expect(coming.dialog.get_by_role("alert")).to_contain_text("line 2")


_REGISTER_COMMANDS = {"administration", "dispatches", "line_checks", "duty_handovers"}
# What the page asks of the server and is answered, from its start on.
_NOTE_ASKED = """window.asked = [];
window.answered = [];
const types = new Map();
const send = WebSocket.prototype.send;
WebSocket.prototype.send = function (data) {
    const { id, type } = JSON.parse(data);
    window.asked.push(type);
    types.set(id, type);
    if (type === "connect") {
        // Behind the page's own listener, so that what the answer changes is under way.
        this.addEventListener("message", (event) => {
            for (const line of event.data.split("\\n")) window.answered.push(types.get(JSON.parse(line).id));
        });
    }
    send.call(this, data);
};"""
_NOTE_CHANGES = """() => {
    window.changes = 0;
    const observer = new MutationObserver((records) => { window.changes += records.length; });
    const list = document.querySelector(".channels section[data-kind=register]");
    observer.observe(list, { childList: true, subtree: true, attributes: true, characterData: true });
}"""


def test_messages_that_come_are_no_work_for_the_registers_and_their_counts(sit_down: SitDown) -> None:
    reader, writer = sit_down("south-2", "joint/weather", fresh=True, **BRITISH), sit_down("north-2")
    screen = RegisterScreen(reader.page)
    screen.page.add_init_script(_NOTE_ASKED)
    screen.page.reload()
    answered = f"() => {sorted(_REGISTER_COMMANDS)}.every((type) => window.answered.includes(type))"
    screen.page.wait_for_function(answered)
    # What the answers changed is drawn by then.
    screen.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
    screen.page.evaluate("() => { window.asked = []; }")
    screen.page.evaluate(_NOTE_CHANGES)
    for number in range(8):
        writer.say(f"몇 번째 {number}")
    expect(screen.badge("joint/general")).to_have_text("Unread: 88")
    assert not _REGISTER_COMMANDS & set(screen.page.evaluate("() => window.asked"))
    assert screen.page.evaluate("() => window.changes") == 0


def test_both_sides_sign_a_channel_with_keys_that_stay_in_their_browsers(sign_in: SignIn) -> None:
    screens = [RegisterScreen(sign_in(f"{side}-head", "/#joint/weather", **BRITISH)) for side in ("south", "north")]
    for screen in screens:
        page = screen.page
        page.locator("#composer").fill(f"Signed by {screen.page.url[-3:]}")
        page.locator("#composer").press("Enter")
        expect(page.locator(".message [data-state=delivered]").last).to_be_attached()
        page.get_by_role("button", name="Signed record").click()
        expect(screen.dialog).to_contain_text("Nothing contradicts")
        screen.dialog.get_by_role("button", name="Make a key for our side").click()
        screen.dialog.get_by_role("button", name="Sign for our side").click()
        own = "South side" if screen is screens[0] else "North side"
        expect(screen.dialog.locator(".key[data-turned=true]", has_text=own)).to_be_visible()
    expect(screens[1].dialog).to_contain_text("Complete up to entry")


def test_script_in_a_register_is_text_on_both_sides(sign_in: SignIn) -> None:
    south, north = (RegisterScreen(sign_in(f"{side}-head", **BRITISH)) for side in ("south", "north"))
    south.open("joint/dispatches")
    hostile = dict(zip(LETTER, SCRIPTS, strict=False)) | {"body": "\n".join(SCRIPTS)}
    items = [("name", SCRIPTS[0], SCRIPTS[1]), ("time", SCRIPTS[2], SCRIPTS[3])]
    elements = north.page.locator("script, img, iframe, style").count()
    south.draft(hostile, "life_safety", items)
    south.step("Send at once")
    expect(north.page.locator(".alarms")).to_contain_text(hostile["subject"])
    north.page.locator(".alarms").get_by_role("button", name="Open").click()
    expect(north.page.locator(".dispatch h2")).to_have_text(hostile["subject"])
    expect(north.page.locator(".dispatch-body")).to_have_text(hostile["body"])
    expect(north.page.locator(".items-table tr").first).to_contain_text(SCRIPTS[1])
    north.step("Delivered by other means", place=SCRIPTS[4], note=SCRIPTS[5])
    north.open("north/duty")
    north.step("Hand over", notes="\n".join(SCRIPTS))
    for text in SCRIPTS:
        expect(north.page.locator(".open-items li").filter(has_text=text).first).to_contain_text(text)
    north.button("Withdraw").click()
    expect(south.events.filter(has_text="Delivered by other means")).to_contain_text(SCRIPTS[5])

    south.page.goto(re.sub("#.*", "#joint/general", south.page.url))
    south.page.get_by_role("button", name="Suspend the line").click()
    for name, text in (("authority", SCRIPTS[6]), ("reason", SCRIPTS[7])):
        south.dialog.locator(f"[name={name}]").fill(text)
    south.dialog.locator("button[type=submit]").click()
    north.page.locator('.channels a[href="#joint/general"]').click()
    expect(north.page.locator(".suspension")).to_contain_text(SCRIPTS[6])
    expect(north.page.locator(".divider", has_text=SCRIPTS[7])).to_be_visible()
    for screen in (south, north):
        assert screen.page.evaluate("() => window.ran") is None
    assert north.page.locator("script, img, iframe, style").count() == elements


def test_what_was_changed_behind_the_record_shows_in_the_client(sign_in: SignIn, server: LiveServer) -> None:
    screen = RegisterScreen(sign_in("south-head", "/#joint/crossings", **BRITISH))
    page = screen.page
    page.locator("#composer").fill("The last one that was seen")
    page.locator("#composer").press("Enter")
    expect(page.locator(".message [data-state=delivered]").last).to_be_attached()
    screen.open("joint/administration")
    screen.button("Propose").click()
    screen.dialog.locator("[name=kind]").select_option("granularity")
    screen.dialog.locator("button[type=submit]").click()
    screen.button("Log").click()
    expect(page.get_by_role("status").filter(has_text="Recomputed here: each entry from 1 to")).to_be_visible()
    expect(page.locator(".administration-log [data-broken=true]")).to_have_count(0)

    server.stop()
    number = "(SELECT number FROM channel_head WHERE channel = ?)"
    with sqlite3.connect(server.data_dir / "office.db") as rows:
        later = f"UPDATE message SET time_ms = time_ms + 60000 WHERE seq = 1 AND channel_number = {number}"
        rows.execute(later, ("joint/administration",))
        rows.execute(f"UPDATE message SET link = zeroblob(32) WHERE channel_number = {number}", ("joint/crossings",))
    rows.close()
    server.start()

    # Whoever was there has seen something else, and is told on every page.
    fork = page.locator(".notices").get_by_role("alert").filter(has_text="The record of Crossings contradicts")
    expect(fork).to_be_visible()
    screen.button("All proposals").click()
    screen.button("Log").click()
    expect(page.get_by_role("alert").filter(has_text="what is shown as entry 1 does not follow")).to_be_visible()
    expect(page.locator(".administration-log [data-broken=true] .seq")).to_have_text("1")

    fork.get_by_role("button", name="Signed record").click()
    expect(screen.dialog.get_by_role("alert")).to_contain_text("contradicts what this browser has seen")
    expect(screen.dialog.get_by_role("button", name="Sign for our side")).to_have_count(0)
    screen.dialog.get_by_role("button", name="The heads have confirmed it").click()
    expect(screen.dialog).to_contain_text("Nothing contradicts")
    expect(fork).to_have_count(0)
