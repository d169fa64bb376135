"""Dispatches, suspensions and two keys, by the hands of both sides."""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from playwright.sync_api import Route, expect

from tests.browser.conftest import BRITISH, KOREAN, SignIn
from tests.browser.register_screen import ITEMS, LETTER, RegisterScreen

pytestmark = [pytest.mark.browser, pytest.mark.system]

COURSE = [
    "drafted",
    "cleared",
    "numbered",
    "tendered",
    "deferred",
    "accepted",
    "delivered_for_read_back",
    "read_back",
    "mismatched",
    "read_back",
    "confirmed",
    "acknowledged",
    "answered",
    "closed",
]
_NUMBER = re.compile(r"south-\d{4}-0001")


def _read_back(reader: RegisterScreen, *values: str) -> None:
    reader.button("Read back").click()
    fields = reader.dialog.locator("[name=value]")
    expect(fields).to_have_count(len(values))
    for field, value in zip(fields.all(), values, strict=True):
        field.fill(value)
    reader.dialog.locator("button[type=submit]").click()


def _answer_at_once(north: RegisterScreen, south: RegisterScreen) -> None:
    """Write the answer as a dispatch of its own; life safety needs nobody's clearance and no tender."""
    north.button("Answer").click()
    north.dialog.get_by_role("button", name="Write the answer").click()
    for name, text in {**LETTER, "subject": "회신", "body": "하류를 비웠습니다."}.items():
        north.dialog.locator(f"[name={name}]").fill(text)
    expect(north.dialog.locator("[name=reference]")).to_have_value(_NUMBER)
    north.dialog.locator("[name=precedence]").select_option("life_safety")
    north.dialog.get_by_role("button", name="Save draft").click()
    north.step("Send at once")
    expect(south.page.locator(".alarms")).to_contain_text("회신")
    south.page.locator(".alarms").get_by_role("button", name="Open").click()
    south.step("Acknowledge")


def _print(screen: RegisterScreen) -> None:
    """On paper there is the dispatch with all that happened to it, and nothing of the page around it."""
    screen.page.emulate_media(media="print")
    for around in (".channels", ".top-bar", ".register-tools"):
        expect(screen.page.locator(around)).to_be_hidden()
    expect(screen.events.last).to_be_visible()
    expect(screen.page.locator(".print-note")).to_contain_text("South 2")


def test_a_dispatch_goes_from_the_draft_to_its_end_between_two_sides(sign_in: SignIn) -> None:
    author, second = (RegisterScreen(sign_in(user, **BRITISH)) for user in ("south-1", "south-2"))
    north = RegisterScreen(sign_in("north-1", **BRITISH))
    author.open("joint/dispatches")
    author.draft(LETTER, "flash", ITEMS)
    expect(author.state).to_have_text("Draft")
    # Nobody clears what they wrote, and is told so.
    expect(author.button("Clear")).to_have_count(0)
    expect(author.page.locator(".why-not").first).to_contain_text("somebody else of your side")
    north.open("joint/dispatches")
    expect(north.page.locator(".dispatch-line")).to_have_count(0)

    second.open_dispatch(LETTER["subject"])
    second.step("Clear")
    second.step("Tender")
    expect(second.page.locator(".dispatch > header .dispatch-number")).to_have_text(_NUMBER)
    expect(second.state).to_have_text("Tendered")

    # Urgent: it stands above the page, in the title, and is read out; nobody's do-not-disturb silences it.
    alarm = north.page.locator(".alarms")
    expect(alarm.get_by_role("alert")).to_contain_text(LETTER["subject"])
    expect(north.page).to_have_title(re.compile(r"Flash.*" + LETTER["subject"]))
    alarm.get_by_role("button", name="Open").click()
    expect(north.page.locator(".no-text")).to_be_visible()
    assert LETTER["body"] not in north.page.content()
    north.step("Defer", note="회의 중입니다.")
    expect(second.state).to_have_text("Deferred")
    north.step("Accept")
    expect(north.page.locator(".dispatch-body")).to_have_text(LETTER["body"])
    expect(north.page.locator(".digest[data-true=true]")).to_contain_text("it matches")

    _read_back(north, "8", "18:00")
    expect(second.button("Confirm read-back")).to_be_visible()
    second.button("Confirm read-back").click()
    expect(second.dialog.get_by_role("checkbox").first).not_to_be_checked()
    expect(second.dialog.get_by_role("checkbox").last).to_be_checked()
    second.dialog.locator("button[type=submit]").click()
    expect(north.state).to_have_text("To be read back")
    _read_back(north, *(value for _, _, value in ITEMS))
    second.step("Confirm read-back")
    expect(north.button("Acknowledge")).to_be_visible()
    north.step("Acknowledge")
    expect(north.events.filter(has_text="Acknowledged by name")).to_contain_text("North 1")
    expect(alarm).to_have_count(0)

    _answer_at_once(north, author)
    north.open_dispatch(LETTER["subject"])
    north.step("Answer")
    # Whoever closes what has changed meanwhile is refused.
    for screen in (north, second):
        expect(screen.state).to_have_text("Answered")
    second.step("Close")
    expect(second.state).to_have_text("Closed")
    expect(second.events).to_have_count(len(COURSE))
    assert [step.get_attribute("data-event") for step in second.events.all()] == COURSE
    expect(second.page.locator(".actions-of button")).to_have_count(0)
    _print(second)


def test_both_keys_are_needed_and_what_they_turn_stands_in_the_log(sign_in: SignIn) -> None:
    south, north = (RegisterScreen(sign_in(f"{side}-head", **BRITISH)) for side in ("south", "north"))
    official = RegisterScreen(sign_in("south-3", **BRITISH))
    for screen in (south, north, official):
        screen.open("joint/administration")
    south.button("Propose").click()
    south.dialog.locator("[name=kind]").select_option("granularity")
    south.dialog.locator("[name=granularity]").select_option("count")
    south.dialog.locator("button[type=submit]").click()
    card = north.page.locator(".proposal")
    expect(card.get_by_role("heading")).to_have_text("Each side sees how many of the other are present")
    expect(card.locator(".expiry")).to_contain_text(re.compile(r"Ends in (1 d 0 h|23:59:\d\d)"))
    expect(official.page.locator(".proposal")).to_be_visible()
    expect(official.page.locator(".why-not")).to_contain_text("Only the heads")
    expect(official.page.locator(".proposal button")).to_have_count(0)

    south.step("Approve")
    expect(south.page.locator(".proposal .why-not")).to_contain_text("the other side has to")
    north.button("Approve").click()
    digest = north.dialog.locator("code").inner_text().replace(" ", "")
    assert re.fullmatch("[0-9a-f]{64}", digest)
    north.dialog.locator("button[type=submit]").click()
    expect(official.page.locator(".in-force")).to_contain_text("how many of the other")
    expect(north.page.locator(".proposal")).to_have_count(0)

    # A second one is refused, with a reason that both sides read.
    north.button("Propose").click()
    north.dialog.locator("[name=kind]").select_option("retention")
    north.dialog.locator("[name=days]").fill("365")
    north.dialog.locator("button[type=submit]").click()
    south.step("Reject", reason="아직 합의하지 않았습니다.")
    official.button("All proposals").click()
    expect(official.page.locator(".proposal").first).to_contain_text("아직 합의하지 않았습니다.")
    expect(official.page.locator(".proposal").first).to_contain_text("Rejected")
    official.button("Log").click()
    entries = official.page.locator(".administration-log > li")
    expect(entries.first).to_contain_text("Rejected")
    expect(entries.filter(has_text="Carried out")).to_have_count(1)
    expect(entries.filter(has_text="Approved")).to_have_count(2)
    assert len({entry.locator(".link").inner_text() for entry in entries.all()}) == entries.count()


def _draft_while_a_file_goes_up(author: RegisterScreen, letter: Mapping[str, str], file: Path, drawing: Path) -> None:
    """A draft that is saved while a file is on its way is saved with it, or not at all; nothing is lost."""
    uploads: list[Route] = []
    author.page.route("**/south/dispatches/attachments?*", lambda route, _: uploads.append(route))
    author.open("joint/dispatches")
    author.button("New dispatch").click()
    choose, dialog = author.dialog.locator("input[type=file]"), author.dialog
    choose.set_input_files([str(drawing)])
    expect(dialog.locator(".file-failure")).to_contain_text("Files of this type can’t be attached")
    dialog.get_by_role("button", name=f"Take {drawing.name} away").click()
    for name, text in letter.items():
        dialog.locator(f"[name={name}]").fill(text)
    with author.page.expect_request("**/attachments?*"):
        choose.set_input_files([str(file)])
    dialog.get_by_role("button", name="Save draft").click()
    expect(dialog.get_by_role("status")).to_contain_text("saved as soon as its files are up")
    uploads[0].abort()
    expect(dialog.locator("form > .alert")).to_contain_text("Nothing was saved")
    with author.page.expect_request("**/attachments?*"):
        dialog.get_by_role("button", name="Try again").click()
    dialog.get_by_role("button", name="Save draft").click()
    dialog.locator("[name=rank]").fill("연락대표")
    uploads[1].continue_()
    expect(dialog).to_have_count(0)
    expect(author.page.locator(".facts")).to_contain_text("연락대표")
    expect(author.page.locator(".attached .file-name")).to_have_text([file.name])
    author.page.unroute("**/south/dispatches/attachments?*")


def _find(screen: RegisterScreen, subject: str) -> None:
    """Find a dispatch by what one filters by, in Korean."""
    subjects, filters = screen.page.locator(".dispatch-subject"), screen.page.locator(".filters")
    filters.get_by_label("긴급도").select_option("routine")
    expect(subjects).to_have_text([subject])
    filters.get_by_label("다음 차례").select_option("south")
    expect(screen.page.locator(".register-empty")).to_be_visible()
    filters.get_by_label("다음 차례").select_option("north")
    subjects.get_by_text(subject).click()


def test_files_go_with_a_dispatch_and_are_the_other_sides_with_its_text(sign_in: SignIn, tmp_path: Path) -> None:
    author, second = (RegisterScreen(sign_in(user, **BRITISH)) for user in ("south-1", "south-2"))
    north = RegisterScreen(sign_in("north-1", **KOREAN))
    roll, drawing, annex = tmp_path / "명부.txt", tmp_path / "약도.svg", tmp_path / "별지.txt"
    for file in (roll, drawing, annex):
        file.write_text(f"12명 {file.name}", encoding="utf-8")
    letter = {**LETTER, "subject": "통행 인원 명부"}
    _draft_while_a_file_goes_up(author, letter, roll, drawing)
    # Whoever writes it anew keeps what is attached, and may add to it.
    author.button("Revise").click()
    expect(author.dialog.locator(".tray .file-name")).to_have_text([roll.name])
    author.dialog.locator("input[type=file]").set_input_files([str(annex)])
    author.dialog.locator("button[type=submit]").click()
    expect(author.page.locator(".attached .file-name")).to_have_text([roll.name, annex.name])
    second.open_dispatch(letter["subject"])
    second.step("Clear")
    second.step("Tender")

    north.open("joint/dispatches")
    _find(north, letter["subject"])
    expect(north.page.locator(".no-text")).to_be_visible()
    expect(north.page.locator(".attached")).to_have_count(0)
    north.step("수락")
    files = north.page.locator(".attached > li")
    expect(files.locator(".file-name")).to_have_text([roll.name, annex.name])
    with north.page.expect_download() as download:
        files.locator("a").first.click()
    content = Path(download.value.path()).read_bytes()
    assert (download.value.suggested_filename, content) == (roll.name, roll.read_bytes())
    expect(files.first.locator(".digest code")).to_have_text(hashlib.sha256(content).hexdigest())
    files.first.get_by_role("button", name=f"{roll.name} 확인").click()
    expect(files.first.locator(".digest[data-true=true]")).to_contain_text("일치")
    # What is handed out in the place of what is on the record does not pass.
    north.page.route("**/attachments/*", lambda route, _: route.fulfill(body="13명"))
    files.last.get_by_role("button", name=f"{annex.name} 확인").click()
    expect(files.last.locator(".digest[data-true=false]")).to_contain_text("믿지 말고")
