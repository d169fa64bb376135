"""The chat page as a person uses it: what one sees and does, and not how it is built."""

from playwright.sync_api import CDPSession, Locator, Page, expect

# keyCode of a key that an input method has taken; what Windows and macOS report for Enter in a composition.
_TAKEN = 229
_ENTER = 13


class ChatScreen:
    """One signed-in person at one screen."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.composer = page.locator("#composer")
        self.messages = page.locator(".message .text")
        self.link = page.locator(".link-text")
        self.warning = page.locator(".warning")

    def channel(self, name: str) -> Locator:
        """The entry of a channel in the list, by its name on the wire."""
        return self.page.locator(f'.channels a[href="#{name}"]')

    def open(self, name: str) -> None:
        """Open a channel from the list."""
        self.channel(name).click()
        expect(self.channel(name)).to_have_attribute("aria-current", "page")

    def say(self, text: str) -> None:
        """Write a message and send it with Enter."""
        self.composer.fill(text)
        self.composer.press("Enter")

    def message(self, text: str) -> Locator:
        """The message whose text holds this."""
        return self.page.locator(".message", has=self.page.get_by_text(text, exact=True))

    def texts_after(self, text: str) -> Locator:
        """The texts of all messages that follow the one with this text."""
        return self.page.locator(f'.message:has(.text:text-is("{text}")) ~ .message .text')

    def act(self, text: str, action: str) -> None:
        """Use a button of a message's toolbar, found by the text of the message."""
        self.message(text).hover()
        self.message(text).get_by_role("button", name=action).click()


class Keyboard:
    """A keyboard with an input method: composes as a browser on another system would report it."""

    def __init__(self, page: Page) -> None:
        self._cdp: CDPSession = page.context.new_cdp_session(page)

    def compose(self, *steps: str) -> None:
        """Show each step of a syllable in the making; the last one stays open."""
        for step in steps:
            arguments = {"text": step, "selectionStart": len(step), "selectionEnd": len(step)}
            self._cdp.send("Input.imeSetComposition", arguments)

    def commit(self, text: str) -> None:
        """End the composition with this text."""
        self._cdp.send("Input.insertText", {"text": text})

    def enter_taken(self) -> None:
        """Press Enter so that the input method takes it: the page hears of key code 229."""
        self._key("rawKeyDown", "Process", _TAKEN)

    def enter(self) -> None:
        """Press Enter so that the page hears of Enter itself, whether or not a composition is open."""
        self._key("rawKeyDown", "Enter", _ENTER)
        self._cdp.send("Input.dispatchKeyEvent", {"type": "char", "text": "\r", "unmodifiedText": "\r"})

    def release(self) -> None:
        """Let go of Enter."""
        self._key("keyUp", "Enter", _ENTER)

    def _key(self, kind: str, key: str, code: int) -> None:
        event = {"type": kind, "key": key, "code": "Enter", "windowsVirtualKeyCode": code, "nativeVirtualKeyCode": code}
        self._cdp.send("Input.dispatchKeyEvent", event)
