"""The newest `Rights`, kept fresh; every check is made on them, synchronously. (PROTOCOL.md §2.4)

The directory is the truth. Its revision is asked for twice a second, so that a change made by another process is known
here within a second, and a hint from another node only makes that sooner.
"""

import asyncio
import hmac
from collections.abc import Callable
from contextlib import suppress
from typing import Final, overload

import structlog

from liaison.core.identifiers import ChannelId, Millis, parse_channel
from liaison.core.permissions import RULES, Action, Need, may_belong, refusal
from liaison.core.rights import EMPTY_RIGHTS, Account, Credential, Membership, Rights, digest_of
from liaison.office.actor import Actor
from liaison.ports.clock import Clock
from liaison.ports.directory import Directory, DirectoryUnavailableError
from liaison.protocol.errors import ErrorCode, Refused, Unavailable
from liaison.protocol.names import TOKEN_PREFIX

RightsListener = Callable[[Rights, Rights], None]

# Half of the second within which a revoked session must be gone; the other half is for reading and closing.
POLL_MS: Final = 500
# Everything is read again this often whatever the revision says, and this long the last snapshot lets people in when
# nothing can be read.
RECHECK_MS: Final = 30_000
# When a credential was last used is for people; a write for each use would cost more than the use.
NOTE_USES_MS: Final = 15_000
# 256 bits in base64url.
_SECRET_CHARS: Final = len(TOKEN_PREFIX) + 43

_log = structlog.get_logger(__name__)


class Registry:
    """Knows who may do what. Its owner awaits `start` once and then keeps `run` as a task."""

    def __init__(self, directory: Directory, clock: Clock, *, poll_ms: int = POLL_MS) -> None:
        """Ask `directory` for its revision every `poll_ms`; more than the default breaks the promise of §2.4."""
        self._directory = directory
        self._clock = clock
        self._poll_ms = poll_ms
        self._rights = EMPTY_RIGHTS
        self._read_at: Millis | None = None
        self._confirmed_at: Millis | None = None
        # One reader at a time: of two, the one that began earlier could finish later and bring back what was revoked.
        self._reading = asyncio.Lock()
        self._poked = asyncio.Event()
        self._listeners: dict[object, RightsListener] = {}
        self._uses: dict[str, Millis] = {}
        self._uses_noted_at = clock.monotonic_ms()

    @property
    def rights(self) -> Rights:
        """The newest snapshot; empty before `start`."""
        return self._rights

    @property
    def is_stale(self) -> bool:
        """Whether the snapshot is too old to let anybody in."""
        return self._confirmed_at is None or self._clock.monotonic_ms() - self._confirmed_at > RECHECK_MS

    def on_change(self, listener: RightsListener) -> Callable[[], None]:
        """Call `listener(before, after)` at each change, before any later check; the returned function ends that.

        `rights` is already `after` then. A listener must not block or raise.
        """
        key = object()
        self._listeners[key] = listener

        def stop() -> None:
            self._listeners.pop(key, None)

        return stop

    async def start(self) -> None:
        """Read the directory for the first time. Raises DirectoryUnavailableError."""
        await self.refresh()

    async def refresh(self) -> None:
        """Bring the snapshot to what the directory holds now, at least. Raises DirectoryUnavailableError.

        Whoever changed the directory awaits this, so that the change is in force when they answer.
        """
        await self._refresh()

    async def _refresh(self, *, unless_since: Millis | None = None) -> None:
        async with self._reading:
            now_ms = self._clock.monotonic_ms()
            if unless_since is not None and self._confirmed_at is not None and self._confirmed_at > unless_since:
                return
            is_due = self._read_at is None or now_ms - self._read_at >= RECHECK_MS
            if is_due or await self._directory.revision() != self._rights.revision:
                after = await self._directory.load()
                self._read_at = now_ms
                self._replace(after)
            self._confirmed_at = now_ms

    async def run(self) -> None:
        """Keep the snapshot fresh, until cancelled. Failures leave the last one in force and are tried again."""
        was_stale = False
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._poll_ms / 1000):
                    await self._poked.wait()
            self._poked.clear()
            try:
                await self.refresh()
                if self._clock.monotonic_ms() - self._uses_noted_at >= NOTE_USES_MS:
                    await self.note_uses()
            except DirectoryUnavailableError:
                if self.is_stale and not was_stale:
                    _log.warning("directory unavailable, nobody new is let in", since_ms=RECHECK_MS)
            was_stale = self.is_stale

    def poke(self) -> None:
        """Ask the directory at once: somebody says that it changed."""
        self._poked.set()

    async def note_uses(self) -> None:
        """Store when credentials were last used. Raises DirectoryUnavailableError, and keeps them for the next time."""
        self._uses_noted_at = self._clock.monotonic_ms()
        uses, self._uses = self._uses, {}
        if not uses:
            return
        try:
            await self._directory.touch_credentials(uses)
        except DirectoryUnavailableError:
            self._uses = uses | self._uses
            raise

    async def recognise(self, secret: str) -> Actor:
        """Say whose secret this is, also if another node gave it out a moment ago. Raises as `authenticate` does.

        Whoever signs in at one node may open their socket at another, before it has asked the directory again. However
        many unknown secrets come at once, they share a look.
        """
        if not self.is_stale and _is_secret(secret) and digest_of(secret) not in self._rights.credentials:
            try:
                await self._refresh(unless_since=self._clock.monotonic_ms())
            except DirectoryUnavailableError as error:
                raise Unavailable("accounts can't be read at the moment") from error
        return self.authenticate(secret)

    def authenticate(self, secret: str) -> Actor:
        """Say whose secret this is.

        Raises:
            Refused: UNAUTHENTICATED, the same for whatever is wrong with it.
            Unavailable: nothing recent is known about who may come in.
        """
        if self.is_stale:
            raise Unavailable("accounts can't be read at the moment")
        now_ms = self._clock.wall_ms()
        credential = self._credential(secret)
        if credential is None or not self._rights.credential_is_live(credential.digest, now_ms):
            raise Refused(ErrorCode.UNAUTHENTICATED, "sign in first or again, or bring a token that is valid")
        self._uses[credential.digest] = now_ms
        return Actor(self._rights.accounts[credential.user], credential.digest)

    @overload
    def may(self, actor: Actor, action: Action) -> None: ...

    @overload
    def may(self, actor: Actor, action: Action, channel_text: str) -> ChannelId: ...

    def may(self, actor: Actor, action: Action, channel_text: str | None = None) -> ChannelId | None:
        """Check an action; give the channel where the action is about one.

        Raises:
            Refused: REVOKED when what they came in with has ended. NO_SUCH_CHANNEL, in the same words, for a name that
                can't be one, a channel that isn't there, and one that isn't theirs. FORBIDDEN for the rest.
            ValueError: a channel was named without need, or not named although the action is about one.
        """
        if (RULES[action].need is Need.NOTHING) is not (channel_text is None):
            raise ValueError(f"{action} with channel {channel_text!r}")
        account = self._account(actor)
        channel, membership = (None, None) if channel_text is None else self._membership(account, channel_text)
        code = refusal(account, action, membership)
        if code is not None:
            raise _refused(code)
        return channel

    def allows(self, actor: Actor, action: Action, channel_text: str) -> bool:
        """Say whether `may` would let them; for what goes on for long, like a subscription."""
        try:
            self.may(actor, action, channel_text)
        except Refused:
            return False
        return True

    def _membership(self, account: Account, channel_text: str) -> tuple[ChannelId, Membership | None]:
        try:
            channel = parse_channel(channel_text)
        except ValueError:
            raise _refused(ErrorCode.NO_SUCH_CHANNEL) from None
        # The table of members isn't trusted with the one rule that must never break.
        if not may_belong(account, channel):
            return channel, None
        return channel, self._rights.membership(account.user, channel)

    def _account(self, actor: Actor) -> Account:
        if not self._rights.credential_is_live(actor.credential, self._clock.wall_ms()):
            raise Refused(ErrorCode.REVOKED, "this sign-in has ended")
        return self._rights.accounts[actor.account.user]

    def _credential(self, secret: str) -> Credential | None:
        # Checked before anything is computed: a cookie can hold any bytes, and none at all.
        if not _is_secret(secret):
            return None
        digest = digest_of(secret)
        credential = self._rights.credentials.get(digest)
        return credential if credential is not None and hmac.compare_digest(credential.digest, digest) else None

    def _replace(self, after: Rights) -> None:
        before, self._rights = self._rights, after
        if before != after:
            for listener in tuple(self._listeners.values()):
                listener(before, after)


def _is_secret(secret: str) -> bool:
    return len(secret) == _SECRET_CHARS and secret.startswith(TOKEN_PREFIX) and secret.isascii()


def _refused(code: ErrorCode) -> Refused:
    # One sentence for each code: a second one for the same code would tell a stranger's channel from a missing one.
    if code is ErrorCode.NO_SUCH_CHANNEL:
        return Refused(code, "there is no such channel")
    return Refused(code, "your account may not do this")
