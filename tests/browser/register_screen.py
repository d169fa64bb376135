"""The registers' pages as people use them."""

from collections.abc import Mapping, Sequence

from playwright.sync_api import Locator, Page, expect

LETTER: Mapping[str, str] = {
    "subject": "댐 방류 통보",
    "signatory": "남측 연락대표",
    "rank": "서기관",
    "addressee": "북측 연락대표",
    "body": "수문 3개를 18:00에 엽니다.",
}
ITEMS: Sequence[tuple[str, str, str]] = (("figure", "수문", "3"), ("time", "시각", "18:00"))


class RegisterScreen:
    """One signed-in person at the registers."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.dialog = page.locator("dialog[open]")
        self.state = page.locator(".dispatch > header .state")
        self.events = page.locator(".history li[data-event]")

    def open(self, channel: str) -> None:
        """Open a register from the list of channels."""
        self.page.locator(f'.channels a[href="#{channel}"]').click()
        expect(self.page.locator(".register-body")).to_be_visible()

    def badge(self, channel: str) -> Locator:
        """What the list of channels counts for one of them: in words for a screen reader, then as a number."""
        return self.page.locator(f'.channels a[href="#{channel}"] .badge:not(.mention)')

    def open_dispatch(self, subject: str) -> None:
        """Open a dispatch from the register, by its subject."""
        self.open("joint/dispatches")
        self.page.locator(".dispatch-line", has_text=subject).first.click()
        expect(self.page.locator(".dispatch h2")).to_have_text(subject)

    def button(self, name: str) -> Locator:
        """A button of the page that isn't in a dialog."""
        return self.page.locator(".register-body").get_by_role("button", name=name, exact=True)

    def draft(
        self, letter: Mapping[str, str], precedence: str = "", items: Sequence[tuple[str, str, str]] = ()
    ) -> None:
        """Write a draft."""
        self.page.locator(".register-tools .primary").click()
        for name, text in letter.items():
            self.dialog.locator(f"[name={name}]").fill(text)
        self.dialog.locator("[name=precedence]").select_option(precedence)
        for number, (kind, label, value) in enumerate(items):
            self.dialog.locator(".items > button").click()
            row = self.dialog.locator(".item").nth(number)
            row.locator("[name=kind]").select_option(kind)
            row.locator("[name=label]").fill(label)
            row.locator("[name=value]").fill(value)
        self.dialog.locator("button[type=submit]").click()
        expect(self.dialog).to_have_count(0)

    def step(self, name: str, **fields: str) -> None:
        """Take a step by its button and the dialog behind it."""
        self.button(name).click()
        for field, text in fields.items():
            self.dialog.locator(f"[name={field}]").fill(text)
        self.dialog.locator("button[type=submit]").click()
        expect(self.dialog).to_have_count(0)
