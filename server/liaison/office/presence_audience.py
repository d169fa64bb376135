"""What one audience is told of presence: a versioned view and differences of it, encoded once for all its watchers."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

from liaison.core.identifiers import UserId
from liaison.core.presence import Audience, Roster, UserDevices, View, audience_of
from liaison.core.profile import OfficeProfile
from liaison.office.watching import Watcher, Watchers
from liaison.protocol.codec import finished_frame
from liaison.protocol.frames import PresenceDiff, PresenceReply, PresenceSnapshot, PresenceStatsReply

# At most ten frames a second to each watcher, however much happens: nobody reads faster, and a node that is lost or
# comes back changes hundreds of people within one window. Well below the 500 ms in which all are to see a change.
BATCH_MS: Final = 100


class AudienceFeed:
    """One audience's view of `roster`, which its owner keeps up to date.

    The version rises by one with each difference sent, and a window opens only after one: what the audience can't see
    shows neither in its numbers nor in the moment of what comes next.
    """

    def __init__(
        self,
        audience: Audience,
        profile: OfficeProfile,
        roster: Roster,
        epoch: str,
        on_moved: Callable[[Watcher], None],
    ) -> None:
        """`on_moved` gets watchers who turn out to belong to another audience now; they are sent nothing any more."""
        self.watchers = Watchers(lambda account: audience_of(account) == audience)
        self._roster = roster
        self._epoch = epoch
        self._on_moved = on_moved
        self._version = 0
        self._view = View.of(audience, profile, roster)
        self._unsent: dict[UserId, UserDevices] = {}
        self._window: asyncio.TimerHandle | None = None

    def note(self, changed: Iterable[UserDevices]) -> None:
        """Take in newest states that the roster has already: at once, or at the end of the window that is open."""
        self._unsent.update((user.user, user) for user in changed)
        if self._window is None:
            self._flush()

    def set_profile(self, profile: OfficeProfile) -> None:
        """See the same roster by another profile: a version of its own, so push a snapshot after this."""
        self._unsent.clear()
        self._version += 1
        self._view = View.of(self._view.audience, profile, self._roster)

    def close(self) -> None:
        """Send no more by itself."""
        if self._window is not None:
            self._window.cancel()

    def reply(self, command_id: int, stale_since_ms: int) -> PresenceReply:
        """Give the view at its version; differences that watchers get go on from there."""
        return PresenceReply(
            id=command_id,
            epoch=self._epoch,
            version=self._version,
            users=self._view.people(),
            sides=self._view.totals(),
            stale_since_ms=stale_since_ms,
        )

    def stats(self, command_id: int, stale_since_ms: int) -> PresenceStatsReply:
        """Give both sides as a whole."""
        return PresenceStatsReply(id=command_id, sides=self._view.totals(), stale_since_ms=stale_since_ms)

    def push_snapshot(self, stale_since_ms: int) -> None:
        """Replace everything that watchers know, because what they know has become stale or has ceased to be."""
        self._push(self._snapshot(stale_since_ms))

    def send_snapshot(self, watcher: Watcher, stale_since_ms: int) -> None:
        """Replace everything that one watcher knows, who has come here from another audience."""
        watcher.send(finished_frame(self._snapshot(stale_since_ms), watcher.wire))

    def _snapshot(self, stale_since_ms: int) -> PresenceSnapshot:
        return PresenceSnapshot(
            self._epoch, self._version, self._view.people(), self._view.totals(), stale_since_ms=stale_since_ms
        )

    def _flush(self) -> None:
        self._window = None
        changed, self._unsent = self._unsent, {}
        diff = self._view.advance(self._roster, changed.values())
        if not diff:
            return
        self._version += 1
        self._window = asyncio.get_running_loop().call_later(BATCH_MS / 1000, self._flush)
        self._push(
            PresenceDiff(
                self._epoch, self._version - 1, self._version, list(diff.joins), list(diff.leaves), list(diff.sides)
            )
        )

    def _push(self, frame: PresenceDiff | PresenceSnapshot) -> None:
        for moved in self.watchers.push(frame):
            self._on_moved(moved)
