"""Signing in and out, and the administration of people, bots and channels.

Whatever is wrong with a sign-in, the answer and the time it takes are the same. Each change is in force at this node
when the call returns, and at the others within a second.
"""

import base64
import unicodedata
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import pyotp

from liaison.core.account_rules import check_account, check_channel, check_password, normal_password
from liaison.core.identifiers import ChannelId, Millis, UserId, parse_user
from liaison.core.permissions import may_belong
from liaison.core.profile import OfficeProfile
from liaison.core.rights import Account, Channel, Credential, CredentialKind, Membership, Role, digest_of
from liaison.core.sign_in_pace import SignInPace
from liaison.office.actor import Actor
from liaison.office.registry import Registry
from liaison.ports.clock import Clock
from liaison.ports.directory import (
    AlreadyExistsError,
    Directory,
    DirectoryUnavailableError,
    NotFoundError,
    Secrets,
)
from liaison.ports.passwords import Passwords
from liaison.protocol.errors import ErrorCode, Refused, Unavailable
from liaison.protocol.names import TOKEN_PREFIX

_DAY_MS: Final = 24 * 3600 * 1000
# Officials stay in the office from Monday to Friday.
SESSION_LIFETIME_MS: Final = 7 * _DAY_MS
TOKEN_LIFETIME_MS: Final = 365 * _DAY_MS
# More browsers than anybody has; the oldest is signed out beyond that, so that signing in can't fill the directory.
MAX_BROWSERS_PER_USER: Final = 32

_SECRET_BYTES: Final = 32
_NOBODYS_SECRETS: Final = Secrets("", "")

RandomBytes = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Login:
    """What a browser or bot gets once: `secret` is stored nowhere. `expires_ms` is wall-clock time."""

    secret: str = field(repr=False)
    actor: Actor
    expires_ms: Millis


class Accounts:
    """Who is in the office. `random_bytes` must be fit for secrets.

    Every method may raise Unavailable, and may be repeated then. Administrative ones name in `by` who does it, for the
    audit log; when they raise Refused, nothing was changed, and the message says why.
    """

    def __init__(
        self,
        directory: Directory,
        registry: Registry,
        passwords: Passwords,
        profile: OfficeProfile,
        clock: Clock,
        random_bytes: RandomBytes,
    ) -> None:
        self._directory = directory
        self._registry = registry
        self._passwords = passwords
        self._delegations = frozenset(delegation.id for delegation in profile.delegations)
        self._issuer = profile.title_en
        self._clock = clock
        self._random_bytes = random_bytes
        self._pace = SignInPace()
        # The last step of each account whose one-time code was used. It is kept in memory: a code lives 90 seconds, and
        # whoever replays one at another node needs the password as well.
        self._used_steps: dict[UserId, int] = {}

    # ------------------------------------------------------------------------------------------------ by the people

    async def login(self, user: str, password: str, code: str, address: str) -> Login:
        """Let somebody in who knows their password and, where they have one set up, the one-time code of this moment.

        Raises:
            Refused: WRONG_CREDENTIALS, one and the same for an unknown, inactive or bot's account, a wrong password and
                a wrong or used code; RATE_LIMITED when this account or address must wait.
        """
        name = _possible_user(user)
        self._pace_attempt(name, address)
        with _refusals():
            login = await self._try_login(name, password, code)
            if login is None:
                raise await self._wrong_credentials(name, address)
            self._pace.succeed(name, address)
            await self._sign_out_oldest(name)
            await self._registry.refresh()
            return login

    async def logout(self, actor: Actor) -> None:
        """End what `actor` came in with; a no-op when it has ended."""
        with _refusals():
            await self._directory.revoke_credential(actor.credential, actor=actor.account.user)
            await self._registry.refresh()

    async def logout_everywhere(self, actor: Actor) -> int:
        """End everything that lets this account in; give how many that were."""
        with _refusals():
            ended = await self._directory.revoke_credentials_of(actor.account.user, actor=actor.account.user)
            await self._registry.refresh()
            return ended

    async def sign_ins(self, actor: Actor) -> Sequence[Credential]:
        """Give what lets this account in, the oldest first."""
        with _refusals():
            return await self._directory.credentials_of(actor.account.user)

    async def change_password(self, actor: Actor, current: str, new: str, address: str) -> Login:
        """Change one's own password; all browsers are signed out, and this one gets a new secret.

        Raises Refused: WRONG_CREDENTIALS for the current one, RATE_LIMITED, INVALID for the new one.
        """
        user = actor.account.user
        self._pace_attempt(user, address)
        with _refusals():
            secrets = await self._directory.secrets(user) or _NOBODYS_SECRETS
            if not await self._passwords.verify(secrets.password_hash, normal_password(current)):
                raise await self._wrong_credentials(user, address)
            self._pace.succeed(user, address)
            await self._store_password(user, new, secrets, by=user)
            login = await self._let_in_browser(actor.account)
            await self._registry.refresh()
            return login

    # ------------------------------------------------------------------------------------------- by an administrator

    async def add_person(self, account: Account, password: str, *, by: str) -> None:
        """Add an official, a head or ops. Raises Refused: INVALID, CONFLICT."""
        with _invalid_values():
            check_account(account, self._delegations)
            check_password(account.user, password)
        if account.role is Role.BOT:
            raise _invalid("a bot has no password; create a token for it")
        with _refusals():
            secrets = Secrets(await self._passwords.hash(normal_password(password)), "")
            await self._directory.add_account(account, secrets, actor=by)
            await self._registry.refresh()

    async def set_active(self, user: str, *, active: bool, by: str) -> None:
        """Let an account in again, or keep it out and end all its sessions and tokens. Raises Refused: NO_SUCH_USER."""
        with _refusals():
            account = await self._existing(user)
            await self._directory.set_active(account.user, active=active, actor=by)
            await self._registry.refresh()

    async def set_password(self, user: str, password: str, *, by: str) -> None:
        """Give somebody a new password and sign their browsers out. Raises Refused: NO_SUCH_USER, INVALID."""
        with _refusals():
            account = await self._existing_person(user)
            secrets = await self._directory.secrets(account.user) or _NOBODYS_SECRETS
            await self._store_password(account.user, password, secrets, by=by)
            await self._registry.refresh()

    async def require_code(self, user: str, *, by: str) -> str:
        """Ask somebody for one-time codes from now on, and give the `otpauth://` address that sets up their device.

        Replaces an earlier set-up and signs their browsers out. Raises Refused: NO_SUCH_USER, INVALID.
        """
        totp_secret = base64.b32encode(self._random_bytes(20)).decode()
        account = await self._store_totp_secret(user, totp_secret, by=by)
        return pyotp.TOTP(totp_secret).provisioning_uri(name=account.user, issuer_name=self._issuer)

    async def require_no_code(self, user: str, *, by: str) -> None:
        """Let the password suffice again. Raises Refused: NO_SUCH_USER, INVALID."""
        await self._store_totp_secret(user, "", by=by)

    async def create_token(
        self, bot: Account, channels: Collection[str], *, read_only: bool, lifetime_ms: int, by: str
    ) -> Login:
        """Give a bot a token and these channels; the bot's account is added when there is none.

        A bot of that name must be of the same side; its other channels and tokens stay. It may be repeated.

        Raises Refused: INVALID, CONFLICT, NO_SUCH_CHANNEL.
        """
        with _invalid_values():
            check_account(bot, self._delegations)
        if bot.role is not Role.BOT:
            raise _invalid("only bots have tokens")
        if lifetime_ms <= 0:
            raise _invalid("a token must live longer than that")
        with _refusals():
            await self._registry.refresh()
            known = self._registry.rights.accounts.get(bot.user)
            if known is not None and (known.role, known.delegation, known.active) != (Role.BOT, bot.delegation, True):
                raise Refused(ErrorCode.CONFLICT, f"{bot.user!r} exists and is no active bot of {bot.delegation!r}")
            joined = [self._open_to(bot, channel) for channel in channels]
            if known is None:
                await self._directory.add_account(bot, _NOBODYS_SECRETS, actor=by)
            for channel in joined:
                await self._directory.set_membership(channel, bot.user, Membership(not read_only), actor=by)
            login = await self._let_in(known or bot, CredentialKind.TOKEN, bot.name, lifetime_ms, by=by)
            await self._registry.refresh()
            return login

    async def revoke_tokens(self, user: str, *, by: str) -> int:
        """End everything that lets this account in; give how many that were. Raises Refused: NO_SUCH_USER."""
        with _refusals():
            account = await self._existing(user)
            ended = await self._directory.revoke_credentials_of(account.user, actor=by)
            await self._registry.refresh()
            return ended

    async def create_channel(self, channel: Channel, members: Collection[str] = (), *, by: str) -> None:
        """Add a joint channel or one side's, with these members beside those who join by themselves.

        Raises Refused: INVALID, CONFLICT, NO_SUCH_USER.
        """
        with _invalid_values():
            check_channel(channel, self._delegations)
        with _refusals():
            accounts = [await self._existing(member) for member in members]
            for account in accounts:
                _check_belongs(account, channel.channel)
            memberships = {account.user: Membership() for account in accounts}
            await self._directory.add_channel(channel, memberships, actor=by)
            await self._registry.refresh()

    async def set_member(self, channel: str, user: str, *, can_write: bool, by: str) -> None:
        """Add a member to a channel, or change whether they may write. Raises Refused: NO_SUCH_…, INVALID."""
        with _refusals():
            account = await self._existing(user)
            name = self._open_to(account, channel)
            await self._directory.set_membership(name, account.user, Membership(can_write), actor=by)
            await self._registry.refresh()

    async def remove_member(self, channel: str, user: str, *, by: str) -> None:
        """Take a member out of a channel; a no-op for one who isn't. Raises Refused: NO_SUCH_CHANNEL, NO_SUCH_USER."""
        with _refusals():
            account = await self._existing(user)
            await self._directory.set_membership(self._existing_channel(channel), account.user, None, actor=by)
            await self._registry.refresh()

    # --------------------------------------------------------------------------------------------------- proving it

    def _pace_attempt(self, user: UserId, address: str) -> None:
        wait_ms = self._pace.begin(user, address, self._clock.monotonic_ms())
        if wait_ms:
            raise Refused(ErrorCode.RATE_LIMITED, "too many attempts; wait a moment", retry_after_ms=wait_ms)

    async def _try_login(self, user: UserId, password: str, code: str) -> Login | None:
        proved = await self._prove(user, password, code)
        if proved is None:
            return None
        account, secrets = proved
        try:
            login = await self._let_in_browser(account)
        except NotFoundError:  # Kept out while the hash was verified.
            return None
        if not await self._still_proves(user, secrets, password):
            await self._directory.revoke_credential(login.actor.credential, actor=user)
            return None
        await self._renew_hash(user, secrets.password_hash, password)
        return login

    async def _prove(self, user: UserId, password: str, code: str) -> tuple[Account, Secrets] | None:
        # No early return: each way through reads the directory once and verifies one hash.
        account = self._registry.rights.accounts.get(user)
        secrets = await self._directory.secrets(user) or _NOBODYS_SECRETS
        fits = await self._passwords.verify(secrets.password_hash, normal_password(password))
        step = self._step_of_code(secrets.totp_secret, code)
        if account is None or not account.active or account.role is Role.BOT or not fits:
            return None
        if secrets.totp_secret and not self._use_step(account.user, step):
            return None
        return account, secrets

    def _step_of_code(self, totp_secret: str, code: str) -> int | None:
        # A Korean keyboard can give digits of double width, and people group digits by blanks.
        digits = unicodedata.normalize("NFKC", code[:16]).replace(" ", "")
        if not totp_secret or not digits.isascii():
            return None
        try:
            # One step either way, for clocks that differ (RFC 6238, section 5.2).
            return pyotp.TOTP(totp_secret).verify_and_get_timecode(
                digits, for_time=self._clock.wall_ms() // 1000, valid_window=1
            )
        except pyotp.OTPVerificationError:
            return None

    def _use_step(self, user: UserId, step: int | None) -> bool:
        if step is None or step <= self._used_steps.get(user, -1):
            return False
        self._used_steps[user] = step
        return True

    async def _wrong_credentials(self, user: UserId, address: str) -> Refused:
        self._pace.fail(user, address, self._clock.monotonic_ms())
        # A name that nobody has may be a password in the wrong field, so it isn't written down.
        known = user in self._registry.rights.accounts
        await self._directory.audit("", "login.refused", user if known else "", address)
        return Refused(ErrorCode.WRONG_CREDENTIALS, "the name, the password or the code is wrong")

    async def _still_proves(self, user: UserId, secrets: Secrets, password: str) -> bool:
        # The password may have been changed while its hash was verified, and the change found no session to end.
        current = await self._directory.secrets(user)
        if current == secrets:
            return True
        return (
            current is not None
            and current.totp_secret == secrets.totp_secret
            and await self._passwords.verify(current.password_hash, normal_password(password))
        )

    async def _let_in_browser(self, account: Account) -> Login:
        return await self._let_in(account, CredentialKind.BROWSER, "browser", SESSION_LIFETIME_MS, by=account.user)

    async def _let_in(self, account: Account, kind: CredentialKind, label: str, lifetime_ms: int, *, by: str) -> Login:
        secret = TOKEN_PREFIX + base64.urlsafe_b64encode(self._random_bytes(_SECRET_BYTES)).decode().rstrip("=")
        now_ms = self._clock.wall_ms()
        credential = Credential(
            digest_of(secret), account.user, kind, label, created_ms=now_ms, expires_ms=Millis(now_ms + lifetime_ms)
        )
        await self._directory.add_credential(credential, actor=by)
        return Login(secret, Actor(account, credential.digest), credential.expires_ms)

    async def _sign_out_oldest(self, user: UserId) -> None:
        browsers = [c for c in await self._directory.credentials_of(user) if c.kind is CredentialKind.BROWSER]
        for credential in browsers[:-MAX_BROWSERS_PER_USER]:
            await self._directory.revoke_credential(credential.digest, actor=user)

    # ------------------------------------------------------------------------------------------------------ secrets

    async def _renew_hash(self, user: UserId, password_hash: str, password: str) -> None:
        if self._passwords.is_outdated(password_hash):
            await self._directory.replace_hash(
                user, password_hash, await self._passwords.hash(normal_password(password))
            )

    async def _store_password(self, user: UserId, password: str, secrets: Secrets, *, by: str) -> None:
        with _invalid_values():
            check_password(user, password)
        password_hash = await self._passwords.hash(normal_password(password))
        await self._directory.set_secrets(user, Secrets(password_hash, secrets.totp_secret), actor=by)

    async def _store_totp_secret(self, user: str, totp_secret: str, *, by: str) -> Account:
        with _refusals():
            account = await self._existing_person(user)
            secrets = await self._directory.secrets(account.user) or _NOBODYS_SECRETS
            await self._directory.set_secrets(account.user, Secrets(secrets.password_hash, totp_secret), actor=by)
            await self._registry.refresh()
            return account

    # ------------------------------------------------------------------------------------------------------- checks

    async def _existing(self, user: str) -> Account:
        # The command line may have been started for this one change, beside others.
        await self._registry.refresh()
        account = self._registry.rights.accounts.get(UserId(user))
        if account is None:
            raise Refused(ErrorCode.NO_SUCH_USER, f"there is no account {user!r}")
        return account

    async def _existing_person(self, user: str) -> Account:
        account = await self._existing(user)
        if account.role is Role.BOT:
            raise _invalid(f"{user!r} is a bot and has no password")
        return account

    def _existing_channel(self, channel: str) -> ChannelId:
        if ChannelId(channel) not in self._registry.rights.channels:
            raise Refused(ErrorCode.NO_SUCH_CHANNEL, f"there is no channel {channel!r}")
        return ChannelId(channel)

    def _open_to(self, account: Account, channel: str) -> ChannelId:
        name = self._existing_channel(channel)
        _check_belongs(account, name)
        return name


def _possible_user(user: str) -> UserId:
    """Give what can be somebody's name as it is, and one name that nobody has for all the rest."""
    try:
        return parse_user(user)
    except ValueError:
        return UserId("")


def _check_belongs(account: Account, channel: ChannelId) -> None:
    if not may_belong(account, channel):
        raise _invalid(f"{account.user!r} can't be a member of {channel!r}: it isn't for that account's side or role")


def _invalid(message: str) -> Refused:
    return Refused(ErrorCode.INVALID, message)


@contextmanager
def _invalid_values() -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise _invalid(str(error)) from error


@contextmanager
def _refusals() -> Iterator[None]:
    """Turn the directory's errors into what a client or the command line can be told."""
    try:
        yield
    except DirectoryUnavailableError as error:
        raise Unavailable("accounts can't be read or changed at the moment") from error
    except AlreadyExistsError as error:
        raise Refused(ErrorCode.CONFLICT, str(error)) from error
    except NotFoundError as error:
        raise Refused(ErrorCode.NO_SUCH_USER, str(error)) from error
