"""Sessions that watch something which changes: each push is encoded once for each wire format that somebody uses."""

from collections.abc import Callable
from typing import Protocol

from liaison.core.rights import Account
from liaison.protocol.codec import WireFormat, finished_frame
from liaison.protocol.frames import AnyPush


class Watcher(Protocol):
    """Somebody who watches. `account` is as the directory has it now; `send` never blocks or raises."""

    @property
    def account(self) -> Account: ...

    @property
    def wire(self) -> WireFormat: ...

    def send(self, frames: bytes, /) -> None:
        """Queue finished frames for the watcher's socket."""
        ...


class Watchers:
    """Watchers of one thing that all see the same of it, as long as `admits` says so of their accounts."""

    def __init__(self, admits: Callable[[Account], bool]) -> None:
        self._admits = admits
        self._accounts: dict[Watcher, Account] = {}

    def __len__(self) -> int:
        return len(self._accounts)

    def add(self, watcher: Watcher) -> None:
        """Send what is pushed from now on to `watcher`, too; idempotent."""
        self._accounts[watcher] = watcher.account

    def discard(self, watcher: Watcher) -> None:
        """Undo `add`; idempotent."""
        self._accounts.pop(watcher, None)

    def push(self, frame: AnyPush) -> list[Watcher]:
        """Send a frame to everybody who may still see it; give those who no longer may, and forget them."""
        finished: dict[WireFormat, bytes] = {}
        turned_away = []
        # A copy: a send that finds its socket broken may end the session, which then stops watching.
        for watcher, account in list(self._accounts.items()):
            # Accounts are immutable, so that the same object has the same rights: only a new one is looked at.
            if watcher.account is not account:
                if not self._admits(watcher.account):
                    del self._accounts[watcher]
                    turned_away.append(watcher)
                    continue
                self._accounts[watcher] = watcher.account
            wire = watcher.wire
            if wire not in finished:
                finished[wire] = finished_frame(frame, wire)
            watcher.send(finished[wire])
        return turned_away
