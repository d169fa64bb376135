import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from urllib.parse import parse_qs, urlparse

import pyotp
import pytest

from liaison.adapters.sql_directory import SqlDirectory
from liaison.adapters.sql_engine import memory_database
from liaison.core.identifiers import ChannelId, DelegationId, UserId
from liaison.core.profile import Delegation, Granularity, OfficeProfile
from liaison.core.rights import Account, Channel, Membership, Role, digest_of
from liaison.office.accounts import MAX_BROWSERS_PER_USER, SESSION_LIFETIME_MS, Accounts, Login
from liaison.office.registry import Registry
from liaison.ports.directory import DirectoryUnavailableError, Secrets
from liaison.protocol.errors import ErrorCode, LiaisonError, Refused, Unavailable
from tests.hand_clock import HandClock
from tests.office.plain_passwords import PlainPasswords

SOUTH, NORTH = DelegationId("south"), DelegationId("north")
PROFILE = OfficeProfile(
    "연락사무소",
    "Liaison Office",
    "Asia/Seoul",
    (
        Delegation(SOUTH, "남측", "South side", "#0a5", "Asia/Seoul"),
        Delegation(NORTH, "북측", "North side", "#05a", "Asia/Pyongyang"),
    ),
    Granularity.NAMED,
)
KIM = Account(UserId("kim"), "김", SOUTH, Role.OFFICIAL)
PAK = Account(UserId("pak"), "박", NORTH, Role.HEAD)
WEATHER = Account(UserId("weather"), "날씨", SOUTH, Role.BOT)
OPS = Account(UserId("ops"), "운영", DelegationId(""), Role.OPS)
PASSWORD = "김의 비밀번호 열 자"
OTHER_PASSWORD = "correct horse battery"
HOME, AWAY = "198.51.100.7", "192.0.2.1"
YEAR_MS = 365 * 24 * 3600 * 1000


class Desk:
    """Accounts with everything they stand on."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.random = random.Random(1)
        self.database = memory_database()
        self.directory = SqlDirectory(self.database, self.clock)
        self.registry = Registry(self.directory, self.clock)
        self.passwords = PlainPasswords()
        self.accounts = self.accounts_with(self.passwords)

    def accounts_with(self, passwords: PlainPasswords) -> Accounts:
        return Accounts(self.directory, self.registry, passwords, PROFILE, self.clock, self.random.randbytes)

    async def furnish(self) -> None:
        await self.registry.start()
        for account in (KIM, PAK, OPS):
            await self.accounts.add_person(account, PASSWORD, by="cli")
        await self.accounts.create_channel(Channel(ChannelId("joint/general"), "일반", "General"), by="cli")
        await self.accounts.create_channel(Channel(ChannelId("south/desk"), "당직", "Desk"), by="cli")

    async def login(self, user: str = "kim", password: str = PASSWORD, code: str = "", address: str = HOME) -> Login:
        return await self.accounts.login(user, password, code, address)

    async def add_bot(self, *channels: str, read_only: bool = False) -> Login:
        return await self.accounts.create_token(WEATHER, channels, read_only=read_only, lifetime_ms=YEAR_MS, by="cli")

    async def audit_log(self) -> list[tuple[str, str, str, str]]:
        records = await self.directory.audit_records(after=0, limit=1000)
        return [(record.actor, record.action, record.subject, record.detail) for record in records]

    def lets_in(self, login: Login) -> bool:
        try:
            return self.registry.authenticate(login.secret) == login.actor
        except Refused:
            return False


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    desk = Desk()
    await desk.furnish()
    yield desk
    await desk.database.close()


async def refusal_of(attempt: Awaitable[object]) -> LiaisonError:
    with pytest.raises(LiaisonError) as error:
        await attempt
    return error.value


# ------------------------------------------------------------------------------------------------------- signing in


async def test_whoever_knows_the_password_gets_a_secret_that_lets_them_in_at_once(desk: Desk) -> None:
    login = await desk.login()
    assert login.secret.startswith("lsn_")
    assert len(login.secret) == 47
    assert login.actor.account == KIM
    assert login.expires_ms == desk.clock.wall_ms() + SESSION_LIFETIME_MS
    assert desk.lets_in(login)
    assert login.secret not in repr(login)


async def test_each_login_has_a_secret_of_its_own(desk: Desk) -> None:
    assert (await desk.login()).secret != (await desk.login()).secret


async def test_the_secret_is_stored_nowhere(desk: Desk) -> None:
    login = await desk.login()
    assert set((await desk.directory.load()).credentials) == {digest_of(login.secret)}
    assert login.secret not in repr(await desk.audit_log())


async def test_whatever_is_wrong_with_a_login_the_answer_and_the_work_are_the_same(desk: Desk) -> None:
    await desk.add_bot()
    await desk.accounts.add_person(replace(KIM, user=UserId("lee")), PASSWORD, by="cli")
    await desk.accounts.set_active("lee", active=False, by="cli")
    answers = set()
    for user, password in (
        ("kim", OTHER_PASSWORD),
        ("kim", ""),
        ("kim", "x" * 1_000_000),
        ("kim", "\ud800" * 12),
        ("nobody", PASSWORD),
        ("Kim", PASSWORD),
        ("", PASSWORD),
        ("k\ud800", PASSWORD),
        ("u" * 1_000_000, PASSWORD),
        ("lee", PASSWORD),
        ("weather", PASSWORD),
        ("weather", ""),
    ):
        verified, records = desk.passwords.verified, len(await desk.audit_log())
        error = await refusal_of(desk.login(user, password, address=f"{user[:9]!r} {len(password)}"))
        answers.add((type(error), error.code, error.message, error.retry_after_ms))
        assert desk.passwords.verified == verified + 1
        assert len(await desk.audit_log()) == records + 1
        desk.clock.advance(60_000)
    assert answers == {(Refused, ErrorCode.WRONG_CREDENTIALS, "the name, the password or the code is wrong", None)}


async def test_a_failed_login_is_audited_without_a_name_that_may_be_a_password(desk: Desk) -> None:
    await refusal_of(desk.login("kim", OTHER_PASSWORD))
    await refusal_of(desk.login("hunter2-hunter2", OTHER_PASSWORD))
    assert (await desk.audit_log())[-2:] == [("", "login.refused", "kim", HOME), ("", "login.refused", "", HOME)]


async def test_guessing_is_slowed_down_and_says_for_how_long(desk: Desk) -> None:
    codes = []
    for _ in range(20):
        error = await refusal_of(desk.login(password=OTHER_PASSWORD, address=AWAY))
        codes.append(error.code)
    assert ErrorCode.RATE_LIMITED in codes
    assert desk.passwords.verified == codes.count(ErrorCode.WRONG_CREDENTIALS) < 10
    error = await refusal_of(desk.login(address=AWAY))
    assert error.code is ErrorCode.RATE_LIMITED
    assert error.retry_after_ms is not None
    desk.clock.advance(error.retry_after_ms)
    assert desk.lets_in(await desk.login(address=AWAY))


async def test_names_that_nobody_has_are_slowed_down_alike(desk: Desk) -> None:
    async def codes(user: str) -> list[ErrorCode]:
        return [(await refusal_of(desk.login(user, OTHER_PASSWORD, address=user))).code for _ in range(12)]

    assert await codes("kim") == await codes("nobody")


async def test_guessing_from_elsewhere_does_not_lock_the_owner_out(desk: Desk) -> None:
    await desk.login()
    for _ in range(20):
        await refusal_of(desk.login(password=OTHER_PASSWORD, address=AWAY))
    assert desk.lets_in(await desk.login())


async def test_a_hash_of_old_parameters_is_renewed_at_login_and_signs_nobody_out(desk: Desk) -> None:
    earlier = await desk.login()
    newer = desk.accounts_with(PlainPasswords(scheme="plain2"))
    login = await newer.login("kim", PASSWORD, "", HOME)
    secrets = await desk.directory.secrets(KIM.user)
    assert secrets is not None
    assert secrets.password_hash.startswith("plain2$")
    assert desk.lets_in(earlier)
    assert desk.lets_in(login)
    assert desk.lets_in(await newer.login("kim", PASSWORD, "", HOME))


async def test_only_so_many_browsers_of_somebody_stay_signed_in(desk: Desk) -> None:
    logins = []
    for _ in range(MAX_BROWSERS_PER_USER + 2):
        logins.append(await desk.login())
        desk.clock.advance(1000)
        await desk.registry.refresh()
    assert [desk.lets_in(login) for login in logins] == [False] * 2 + [True] * MAX_BROWSERS_PER_USER


class MeddlingPasswords(PlainPasswords):
    """Does something else while a hash is verified, as another process may."""

    def __init__(self, meddle: Callable[[], Awaitable[object]]) -> None:
        super().__init__()
        self._meddle = meddle

    async def verify(self, password_hash: str, password: str) -> bool:
        fits = await super().verify(password_hash, password)
        if self.verified == 1:
            await self._meddle()
        return fits


async def test_a_password_changed_while_it_is_verified_lets_nobody_in(desk: Desk) -> None:
    meddling = MeddlingPasswords(lambda: desk.accounts.set_password("kim", OTHER_PASSWORD, by="cli"))
    error = await refusal_of(desk.accounts_with(meddling).login("kim", PASSWORD, "", HOME))
    assert error.code is ErrorCode.WRONG_CREDENTIALS
    assert await desk.directory.credentials_of(KIM.user) == []


async def test_an_account_closed_while_its_password_is_verified_lets_nobody_in(desk: Desk) -> None:
    meddling = MeddlingPasswords(lambda: desk.directory.set_active(KIM.user, active=False, actor="cli"))
    error = await refusal_of(desk.accounts_with(meddling).login("kim", PASSWORD, "", HOME))
    assert error.code is ErrorCode.WRONG_CREDENTIALS
    assert await desk.directory.credentials_of(KIM.user) == []


async def test_a_hash_renewed_while_it_is_verified_still_lets_in(desk: Desk) -> None:
    before = await desk.directory.secrets(KIM.user)
    assert before is not None
    after = f"newer{before.password_hash}"
    meddling = MeddlingPasswords(lambda: desk.directory.replace_hash(KIM.user, before.password_hash, after))
    assert desk.lets_in(await desk.accounts_with(meddling).login("kim", PASSWORD, "", HOME))


# -------------------------------------------------------------------------------------------------- one-time codes


async def set_up_code(desk: Desk) -> pyotp.TOTP:
    address = urlparse(await desk.accounts.require_code("kim", by="cli"))
    assert address.scheme == "otpauth"
    return pyotp.TOTP(parse_qs(address.query)["secret"][0])


async def test_where_a_code_is_asked_for_the_password_does_not_suffice(desk: Desk) -> None:
    earlier = await desk.login()
    totp = await set_up_code(desk)
    assert not desk.lets_in(earlier)
    now_s = desk.clock.wall_ms() // 1000
    for code in ("", "000000", totp.at(now_s + 3600), "가" * 6, "\ud800", totp.at(now_s) * 3):
        assert (await refusal_of(desk.login(code=code))).code is ErrorCode.WRONG_CREDENTIALS
        desk.clock.advance(900_000)
        now_s = desk.clock.wall_ms() // 1000
    assert desk.lets_in(await desk.login(code=totp.at(now_s)))


async def test_a_code_is_used_once(desk: Desk) -> None:
    totp = await set_up_code(desk)
    now_s = desk.clock.wall_ms() // 1000
    await desk.login(code=totp.at(now_s))
    assert (await refusal_of(desk.login(code=totp.at(now_s)))).code is ErrorCode.WRONG_CREDENTIALS
    assert (await refusal_of(desk.login(code=totp.at(now_s - 30)))).code is ErrorCode.WRONG_CREDENTIALS
    assert desk.lets_in(await desk.login(code=totp.at(now_s + 30)))


async def test_a_wrong_password_does_not_use_the_code_up(desk: Desk) -> None:
    totp = await set_up_code(desk)
    code = totp.at(desk.clock.wall_ms() // 1000)
    await refusal_of(desk.login(password=OTHER_PASSWORD, code=code))
    assert desk.lets_in(await desk.login(code=code))


async def test_a_code_may_be_typed_in_wide_digits_and_with_a_blank(desk: Desk) -> None:
    totp = await set_up_code(desk)
    code = totp.at(desk.clock.wall_ms() // 1000).translate({ord("0") + n: ord("０") + n for n in range(10)})
    assert desk.lets_in(await desk.login(code=f"{code[:3]} {code[3:]}"))


async def test_the_code_can_be_left_out_again(desk: Desk) -> None:
    await set_up_code(desk)
    await desk.accounts.require_no_code("kim", by="cli")
    assert desk.lets_in(await desk.login())


# ------------------------------------------------------------------------------------------------------ signing out


async def test_logging_out_ends_this_browser_and_no_other(desk: Desk) -> None:
    here, there = await desk.login(), await desk.login()
    await desk.accounts.logout(here.actor)
    await desk.accounts.logout(here.actor)
    assert not desk.lets_in(here)
    assert desk.lets_in(there)


async def test_logging_out_everywhere_ends_all_browsers_of_one_person(desk: Desk) -> None:
    mine = [await desk.login(), await desk.login()]
    other = await desk.login("pak")
    assert await desk.accounts.logout_everywhere(mine[0].actor) == 2
    assert not any(desk.lets_in(login) for login in mine)
    assert desk.lets_in(other)


async def test_a_changed_password_signs_all_browsers_out_but_the_one_that_changed_it(desk: Desk) -> None:
    here, there = await desk.login(), await desk.login()
    again = await desk.accounts.change_password(here.actor, PASSWORD, OTHER_PASSWORD, HOME)
    assert [desk.lets_in(login) for login in (here, there, again)] == [False, False, True]
    assert (await refusal_of(desk.login())).code is ErrorCode.WRONG_CREDENTIALS
    assert desk.lets_in(await desk.login(password=OTHER_PASSWORD))


async def test_changing_a_password_needs_the_current_one_and_a_good_new_one(desk: Desk) -> None:
    here = await desk.login()
    error = await refusal_of(desk.accounts.change_password(here.actor, "wrong", OTHER_PASSWORD, HOME))
    assert error.code is ErrorCode.WRONG_CREDENTIALS
    error = await refusal_of(desk.accounts.change_password(here.actor, PASSWORD, "short", HOME))
    assert error.code is ErrorCode.INVALID
    assert desk.lets_in(here)
    codes = [
        (await refusal_of(desk.accounts.change_password(here.actor, "wrong", OTHER_PASSWORD, HOME))).code
        for _ in range(12)
    ]
    assert codes[-1] is ErrorCode.RATE_LIMITED


# ---------------------------------------------------------------------------------------------------- administration


async def test_people_of_all_roles_can_be_added_and_sign_in(desk: Desk) -> None:
    for user, account in (("kim", KIM), ("pak", PAK), ("ops", OPS)):
        assert (await desk.login(user)).actor.account == account
    assert desk.registry.rights.channels_of(KIM.user) == ["joint/general", "south/desk"]
    assert desk.registry.rights.channels_of(PAK.user) == ["joint/general"]
    assert desk.registry.rights.channels_of(OPS.user) == []


async def test_what_an_administrator_gets_wrong_is_said_and_changes_nothing(desk: Desk) -> None:
    accounts = desk.accounts
    token = await desk.add_bot("joint/general")
    new = replace(KIM, user=UserId("lee"))
    general, desk_channel = Channel(ChannelId("joint/general"), "일반", "General"), ChannelId("south/desk")
    before, log = await desk.directory.load(), await desk.audit_log()

    def token_for(bot: Account, *channels: str, lifetime_ms: int = 1) -> Awaitable[Login]:
        return accounts.create_token(bot, channels, read_only=False, lifetime_ms=lifetime_ms, by="cli")

    invalid, conflict = ErrorCode.INVALID, ErrorCode.CONFLICT
    no_user, no_channel = ErrorCode.NO_SUCH_USER, ErrorCode.NO_SUCH_CHANNEL
    for attempt, code, words in (
        (accounts.add_person(KIM, OTHER_PASSWORD, by="cli"), conflict, "'kim'"),
        (accounts.add_person(replace(new, user=UserId("Lee")), OTHER_PASSWORD, by="cli"), invalid, "user id"),
        (accounts.add_person(new, "short", by="cli"), invalid, "10 to 256"),
        (accounts.add_person(replace(new, role=Role.BOT), OTHER_PASSWORD, by="cli"), invalid, "token"),
        (accounts.add_person(replace(new, delegation=DelegationId("east")), OTHER_PASSWORD, by="cli"), invalid, "east"),
        (accounts.set_active("lee", active=False, by="cli"), no_user, "'lee'"),
        (accounts.set_password("lee", OTHER_PASSWORD, by="cli"), no_user, "'lee'"),
        (accounts.set_password("kim", "short", by="cli"), invalid, "10 to 256"),
        (accounts.set_password("weather", OTHER_PASSWORD, by="cli"), invalid, "bot"),
        (accounts.require_code("weather", by="cli"), invalid, "bot"),
        (accounts.revoke_tokens("lee", by="cli"), no_user, "'lee'"),
        (token_for(KIM), invalid, "only bots"),
        (token_for(replace(WEATHER, user=KIM.user)), conflict, "'kim'"),
        (token_for(replace(WEATHER, delegation=NORTH)), conflict, "'north'"),
        (token_for(WEATHER, "north/desk"), no_channel, "'north/desk'"),
        (token_for(replace(WEATHER, user=UserId("new"), delegation=NORTH), "south/desk"), invalid, "'south/desk'"),
        (token_for(WEATHER, lifetime_ms=0), invalid, "longer"),
        (accounts.create_channel(general, by="cli"), conflict, "'joint/general'"),
        (accounts.create_channel(replace(general, channel=ChannelId("general")), by="cli"), invalid, "joint/NAME"),
        (accounts.create_channel(replace(general, channel=ChannelId("joint/x")), ["lee"], by="cli"), no_user, "'lee'"),
        (accounts.create_channel(replace(general, channel=ChannelId("south/x")), ["pak"], by="cli"), invalid, "'pak'"),
        (accounts.set_member("south/desk", "pak", can_write=False, by="cli"), invalid, "'pak'"),
        (accounts.set_member("joint/general", "ops", can_write=False, by="cli"), invalid, "'ops'"),
        (accounts.set_member("south/x", "kim", can_write=True, by="cli"), no_channel, "'south/x'"),
        (accounts.remove_member("south/x", "kim", by="cli"), no_channel, "'south/x'"),
        (accounts.remove_member(desk_channel, "lee", by="cli"), no_user, "'lee'"),
    ):
        error = await refusal_of(attempt)
        assert (error.code, words in error.message) == (code, True), error.message
    assert await desk.directory.load() == before
    assert await desk.audit_log() == log
    assert desk.lets_in(token)


async def test_a_disabled_account_is_out_at_once_and_needs_to_sign_in_when_enabled_again(desk: Desk) -> None:
    login = await desk.login()
    await desk.accounts.set_active("kim", active=False, by="cli")
    assert not desk.lets_in(login)
    assert (await refusal_of(desk.login())).code is ErrorCode.WRONG_CREDENTIALS
    await desk.accounts.set_active("kim", active=True, by="cli")
    assert not desk.lets_in(login)
    assert desk.lets_in(await desk.login())


async def test_a_password_set_by_an_administrator_signs_out_and_counts_from_now_on(desk: Desk) -> None:
    login = await desk.login()
    totp = await set_up_code(desk)
    await desk.accounts.set_password("kim", OTHER_PASSWORD, by="cli")
    assert not desk.lets_in(login)
    assert (await refusal_of(desk.login(password=OTHER_PASSWORD))).code is ErrorCode.WRONG_CREDENTIALS
    code = totp.at(desk.clock.wall_ms() // 1000)
    assert desk.lets_in(await desk.login(password=OTHER_PASSWORD, code=code))


async def test_a_bots_token_opens_the_channels_it_was_given(desk: Desk) -> None:
    token = await desk.add_bot("joint/general", "south/desk")
    assert desk.lets_in(token)
    assert token.expires_ms == desk.clock.wall_ms() + YEAR_MS
    members = desk.registry.rights.members
    assert members[ChannelId("joint/general")][WEATHER.user] == Membership()
    assert desk.registry.rights.channels_of(WEATHER.user) == ["joint/general", "south/desk"]


async def test_a_second_token_of_a_bot_leaves_the_first_and_its_channels(desk: Desk) -> None:
    first = await desk.add_bot("joint/general")
    second = await desk.add_bot("south/desk", read_only=True)
    assert desk.lets_in(first)
    assert desk.lets_in(second)
    rights = desk.registry.rights
    assert rights.channels_of(WEATHER.user) == ["joint/general", "south/desk"]
    assert rights.membership(WEATHER.user, ChannelId("south/desk")) == Membership(can_write=False)


async def test_revoked_tokens_are_dead_at_once(desk: Desk) -> None:
    tokens = [await desk.add_bot(), await desk.add_bot()]
    assert await desk.accounts.revoke_tokens("weather", by="cli") == 2
    assert not any(desk.lets_in(token) for token in tokens)


async def test_members_come_change_and_go(desk: Desk) -> None:
    closed = Channel(ChannelId("joint/closed"), "비공개", "Closed", open_to_all=False)
    await desk.accounts.create_channel(closed, ["pak"], by="cli")

    def members() -> dict[UserId, Membership]:
        return dict(desk.registry.rights.members[closed.channel])

    assert members() == {"pak": Membership()}
    await desk.accounts.set_member("joint/closed", "kim", can_write=True, by="cli")
    await desk.accounts.set_member("joint/closed", "pak", can_write=False, by="cli")
    assert members() == {"kim": Membership(), "pak": Membership(can_write=False)}
    await desk.accounts.remove_member("joint/closed", "kim", by="cli")
    await desk.accounts.remove_member("joint/closed", "kim", by="cli")
    assert members() == {"pak": Membership(can_write=False)}


async def test_what_is_done_is_on_the_audit_log_with_who_did_it(desk: Desk) -> None:
    await desk.accounts.set_member("joint/general", "kim", can_write=False, by="root")
    login = await desk.login()
    await desk.accounts.logout(login.actor)
    actions = [(actor, action, subject) for actor, action, subject, _ in await desk.audit_log()]
    assert actions[-3:] == [
        ("root", "member.changed", "kim"),
        ("kim", "credential.added", "kim"),
        ("kim", "credential.revoked", "kim"),
    ]


class GoneDirectory(SqlDirectory):
    async def secrets(self, user: UserId) -> Secrets | None:
        raise DirectoryUnavailableError("gone")


async def test_a_directory_that_is_gone_is_unavailable_and_no_wrong_password(desk: Desk) -> None:
    gone = GoneDirectory(desk.database, desk.clock)
    accounts = Accounts(gone, desk.registry, desk.passwords, PROFILE, desk.clock, desk.random.randbytes)
    for _ in range(9):
        assert isinstance(await refusal_of(accounts.login("kim", PASSWORD, "", HOME)), Unavailable)


async def test_logins_at_the_same_moment_all_succeed(desk: Desk) -> None:
    logins = await asyncio.gather(*(desk.login(address=f"198.51.100.{n}") for n in range(8)))
    assert all(desk.lets_in(login) for login in logins)
