"""A file goes from one side's desk to the other's, and one that can't go is explained in both languages."""

import hashlib
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.chat_screen import ChatScreen
from tests.browser.conftest import BRITISH, KOREAN, SitDown
from tests.sample_files import SAMPLES, png

pytestmark = [pytest.mark.browser, pytest.mark.system]

_NAME = "제3차 회의록 (최종).hwpx"
_CONTENT = SAMPLES["application/hwp+zip"][1]


@pytest.fixture
def minutes(tmp_path: Path) -> Path:
    file = tmp_path / _NAME
    file.write_bytes(_CONTENT)
    return file


def _choose(screen: ChatScreen, *files: Path) -> None:
    expect(screen.page.locator("button.attach")).to_be_visible()
    screen.page.locator(".composer input[type=file]").set_input_files([str(file) for file in files])


def _saved(page: Page, name: str) -> tuple[str, bytes]:
    with page.expect_download() as event:
        page.locator(".attached a", has_text=name).click()
    download = event.value
    return download.suggested_filename, Path(download.path()).read_bytes()


def test_a_file_with_a_korean_name_goes_across_and_is_saved_there_to_the_byte(sit_down: SitDown, minutes: Path) -> None:
    author, reader = sit_down("south-1", **KOREAN), sit_down("north-1", **BRITISH)
    _choose(author, minutes)
    # What nothing was written for is called what it is.
    expect(author.composer).to_have_value(_NAME)
    expect(author.page.locator(".tray .file-name")).to_have_text(_NAME)
    expect(author.page.locator(".tray progress")).to_have_count(0)
    # What is up is there again after a reload, as is what was written.
    author.page.reload()
    expect(author.page.locator(".tray .file-name")).to_have_text(_NAME)
    expect(author.composer).to_have_value(_NAME)
    author.say("회의록을 보냅니다")
    expect(author.message("회의록을 보냅니다").locator("[data-state=delivered]")).to_be_attached()
    expect(author.page.locator(".tray")).to_have_count(0)
    for screen in (author, reader):
        attached = screen.message("회의록을 보냅니다").locator(".attached a")
        expect(attached.locator(".file-name")).to_have_text(_NAME)
        expect(attached.locator(".file-type")).to_have_text("hwpx")
        expect(attached.locator(".file-size")).not_to_be_empty()
        assert _saved(screen.page, _NAME) == (_NAME, _CONTENT)
    # And again after both have come back: it is the record that says so.
    reader.page.reload()
    name, content = _saved(reader.page, _NAME)
    assert (name, hashlib.sha256(content).digest()) == (_NAME, hashlib.sha256(_CONTENT).digest())


@pytest.mark.parametrize(
    ("language", "type_refused", "content_refused"),
    [
        (KOREAN, "이 형식의 파일은 첨부할 수 없습니다", "파일이 이름과 다른 형식이거나"),
        (BRITISH, "Files of this type can’t be attached", "The file is not what its name says"),
    ],
    ids=["ko", "en"],
)
def test_what_cant_be_attached_is_explained_and_nothing_is_sent_of_it(
    language: dict[str, str], type_refused: str, content_refused: str, sit_down: SitDown, tmp_path: Path
) -> None:
    drawing, impostor = tmp_path / "그림.svg", tmp_path / "보고.pdf"
    drawing.write_text("<svg/>")
    impostor.write_bytes(b"MZ not a document")
    screen = sit_down("south-2", **language)
    _choose(screen, drawing, impostor)
    failures = screen.page.locator(".tray .file-failure")
    expect(failures).to_have_count(2)
    expect(failures.nth(0)).to_contain_text(type_refused)
    expect(failures.nth(1)).to_contain_text(content_refused)
    expect(screen.composer).to_have_value("")
    screen.page.locator(".tray button").first.click()
    expect(failures).to_have_count(1)
    text = f"Without a file {language['locale']}"
    screen.say(text)
    expect(screen.message(text).locator("[data-state=delivered]")).to_be_attached()
    expect(screen.message(text).locator(".attached")).to_have_count(0)


def test_files_are_dropped_and_pasted_and_go_to_no_other_channel(sit_down: SitDown) -> None:
    screen = sit_down("north-2", **KOREAN)
    expect(screen.page.locator("button.attach")).to_be_visible()
    script = """([name, type, bytes]) => {
        const transfer = new DataTransfer();
        transfer.items.add(new File([new Uint8Array(bytes)], name, { type }));
        return transfer;
    }"""
    picture = list(png())
    dropped = screen.page.evaluate_handle(script, ["끌어온 그림.png", "image/png", picture])
    screen.page.dispatch_event("main", "drop", {"dataTransfer": dropped})
    expect(screen.page.locator(".tray .file-name")).to_have_text(["끌어온 그림.png"])
    screen.page.evaluate(
        """([bytes]) => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(bytes)], "붙인 그림.png", { type: "image/png" }));
            const event = new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true, cancelable: true });
            document.querySelector("#composer").dispatchEvent(event);
        }""",
        [[*picture, 0]],
    )
    # The second is no picture any more with a byte behind it, which the server sees.
    expect(screen.page.locator(".tray .file-name")).to_have_text(["끌어온 그림.png", "붙인 그림.png"])
    expect(screen.page.locator(".tray .file-failure")).to_have_count(1)
    screen.open("north/desk")
    expect(screen.page.locator(".tray")).to_have_count(0)
    # They wait where they were chosen, beside the text that was begun there.
    screen.open("joint/general")
    expect(screen.page.locator(".tray .file-name")).to_have_count(2)


def test_a_message_waits_for_its_file_and_goes_or_says_why_not(sit_down: SitDown, tmp_path: Path) -> None:
    author = sit_down("south-3", "joint/weather", **BRITISH)
    files = [tmp_path / f"관측 {number}.txt" for number in range(4)]
    for file in files:
        file.write_text(file.name, encoding="utf-8")
    uploads: list[Route] = []
    author.page.route("**/attachments?*", lambda route, _: uploads.append(route))
    waiting = author.page.get_by_role("status").filter(has_text="as soon as its files are up")
    refused = author.page.get_by_role("alert").filter(has_text="was not sent")

    def begin(number: int) -> None:
        """Send a message with a file whose upload stands still."""
        with author.page.expect_request("**/attachments?*"):
            _choose(author, files[number])
        author.say(f"관측 보고 {number}")
        # Whoever presses twice sends once.
        author.composer.press("Enter")
        expect(waiting).to_be_visible()
        expect(author.composer).to_have_value(f"관측 보고 {number}")
        expect(author.page.locator("#composer:read-only ~ .send[aria-disabled=true]")).to_be_visible()

    begin(0)
    # It goes also while one looks at another channel, and with nothing of what is written there.
    author.open("joint/general")
    author.composer.fill("다른 글")
    uploads[0].continue_()
    author.open("joint/weather")
    expect(author.message("관측 보고 0").locator(".attached .file-name")).to_have_text(files[0].name)
    expect(author.message("관측 보고 0")).to_have_count(1)
    author.open("joint/general")
    expect(author.composer).to_have_value("다른 글")
    author.open("joint/weather")
    expect(author.composer).to_have_value("")
    expect(author.page.locator(".tray")).to_have_count(0)

    begin(1)
    uploads[1].abort()
    expect(refused).to_be_visible()
    expect(author.composer).to_have_value("관측 보고 1")
    with author.page.expect_request("**/attachments?*"):
        author.page.get_by_role("button", name="Try again").click()
    author.composer.press("Enter")
    uploads[2].continue_()
    expect(author.message("관측 보고 1").locator(".attached .file-name")).to_have_text(files[1].name)

    begin(2)
    author.page.get_by_role("button", name="Don’t send yet").click()
    expect(waiting).to_have_count(0)
    author.composer.press("Enter")
    author.page.get_by_role("button", name=f"Take {files[2].name} away").click()
    expect(refused).to_be_visible()
    expect(author.composer).to_be_focused()
    author.page.locator(".send").click()
    expect(author.message("관측 보고 2").locator("[data-state=delivered]")).to_be_attached()
    expect(author.message("관측 보고 2").locator(".attached")).to_have_count(0)
    expect(refused).to_have_count(0)
    expect(author.messages).to_have_text([f"관측 보고 {number}" for number in range(3)])
