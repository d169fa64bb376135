"""Virtual time throughout, and a real directory; a second connection to it stands for another process."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from liaison.adapters.sql_directory import SqlDirectory
from liaison.adapters.sql_engine import Database, memory_database, open_database
from liaison.adapters.system_clock import SystemClock
from liaison.core.identifiers import ChannelId, DelegationId, Millis, UserId
from liaison.core.permissions import RULES, Action, Need
from liaison.core.rights import (
    Account,
    Channel,
    Credential,
    CredentialKind,
    Membership,
    Rights,
    Role,
    digest_of,
)
from liaison.office.actor import Actor
from liaison.office.registry import NOTE_USES_MS, POLL_MS, RECHECK_MS, Registry
from liaison.ports.clock import Clock
from liaison.ports.directory import Directory, DirectoryUnavailableError, Secrets
from liaison.protocol.errors import ErrorCode, Refused, Unavailable
from tests import virtual_time
from tests.hand_clock import HandClock

KIM = Account(UserId("kim"), "김", DelegationId("south"), Role.OFFICIAL)
PAK = Account(UserId("pak"), "박", DelegationId("north"), Role.OFFICIAL)
GENERAL = Channel(ChannelId("joint/general"), "일반", "General")
DESK = Channel(ChannelId("south/desk"), "당직", "Desk")
SECRETS = {user: "lsn_" + user[0] * 43 for user in ("kim", "pak")}
YEAR_MS = 365 * 24 * 3600 * 1000


class FlakyDirectory(SqlDirectory):
    """A directory whose store can go away or answer late, and that counts how often it was read."""

    def __init__(self, database: Database, clock: Clock) -> None:
        super().__init__(database, clock)
        self.is_gone = False
        self.late_answer: asyncio.Event | None = None
        self.has_read = asyncio.Event()
        self.on_touch: Callable[[], object] = lambda: None
        self.loads = 0
        self.looks = 0
        self.touched: list[Mapping[str, Millis]] = []

    async def revision(self) -> int:
        self.looks += 1
        # As from a store that is somewhere else: others get their turn meanwhile.
        await asyncio.sleep(0)
        self._fail_when_gone()
        return await super().revision()

    async def load(self) -> Rights:
        self._fail_when_gone()
        self.loads += 1
        rights = await super().load()
        late_answer, self.late_answer = self.late_answer, None
        if late_answer is not None:
            self.has_read.set()
            await late_answer.wait()
        return rights

    async def touch_credentials(self, last_used_ms: Mapping[str, Millis]) -> None:
        self.on_touch()
        self._fail_when_gone()
        self.touched.append(dict(last_used_ms))
        await super().touch_credentials(last_used_ms)

    def _fail_when_gone(self) -> None:
        if self.is_gone:
            raise DirectoryUnavailableError("gone")


async def furnish(directory: Directory, clock: Clock) -> None:
    """Two people, two channels, and a browser of each."""
    await directory.add_channel(GENERAL, {}, actor="cli")
    await directory.add_channel(DESK, {}, actor="cli")
    for account in (KIM, PAK):
        await directory.add_account(account, Secrets("", ""), actor="cli")
        now_ms = clock.wall_ms()
        digest = digest_of(SECRETS[account.user])
        await directory.add_credential(
            Credential(digest, account.user, CredentialKind.BROWSER, "", now_ms, Millis(now_ms + YEAR_MS)),
            actor=account.user,
        )


class House:
    """A furnished directory and the registry on it."""

    def __init__(self, clock: Clock) -> None:
        self.database = memory_database()
        self.directory = FlakyDirectory(self.database, clock)
        self.registry = Registry(self.directory, clock)
        self.clock = clock

    @asynccontextmanager
    async def open(self) -> AsyncIterator["House"]:
        await furnish(self.directory, self.clock)
        await self.registry.start()
        try:
            yield self
        finally:
            await self.database.close()

    @asynccontextmanager
    async def running(self) -> AsyncIterator["House"]:
        async with self.open():
            loop = asyncio.ensure_future(self.registry.run())
            try:
                yield self
            finally:
                loop.cancel()
                with suppress(asyncio.CancelledError):
                    await loop


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def house(clock: HandClock) -> AsyncIterator[House]:
    async with House(clock).open() as house:
        yield house


# ------------------------------------------------------------------------------------------------------ authentication


def test_a_secret_says_who_somebody_is(house: House) -> None:
    assert house.registry.authenticate(SECRETS["kim"]) == Actor(KIM, digest_of(SECRETS["kim"]))


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "lsn_",
        "lsn_" + "k" * 42,
        "lsn_" + "k" * 44,
        "lsn_" + "K" * 43,
        "LSN_" + "k" * 43,
        "k" * 47,
        "lsn_" + "k" * 42 + "가",
        "lsn_" + "k" * 42 + "\udcff",
        digest_of(SECRETS["kim"]),
        "x" * 1_000_000,
    ],
)
def test_whatever_is_wrong_with_a_secret_the_error_is_one(house: House, secret: str) -> None:
    with pytest.raises(Refused) as wrong:
        house.registry.authenticate(secret)
    with pytest.raises(Refused) as unknown:
        house.registry.authenticate("lsn_" + "z" * 43)
    assert wrong.value.code is ErrorCode.UNAUTHENTICATED
    assert (wrong.value.code, wrong.value.message) == (unknown.value.code, unknown.value.message)


async def test_a_secret_that_another_node_gave_out_a_moment_ago_is_recognised(house: House, clock: HandClock) -> None:
    elsewhere = Registry(house.directory, clock)
    await elsewhere.start()
    secret = "lsn_" + "n" * 43
    await house.directory.add_credential(
        Credential(
            digest_of(secret), KIM.user, CredentialKind.BROWSER, "", clock.wall_ms(), Millis(clock.wall_ms() + YEAR_MS)
        ),
        actor=KIM.user,
    )
    with pytest.raises(Refused):
        elsewhere.authenticate(secret)
    clock.advance(1)
    assert await elsewhere.recognise(secret) == Actor(KIM, digest_of(secret))


async def test_unknown_secrets_that_come_at_once_share_a_look_at_the_directory(house: House, clock: HandClock) -> None:
    looks = house.directory.looks
    clock.advance(1)
    secrets = ["lsn_" + letter * 43 for letter in "abcdefgh"] + ["", "nonsense"]
    asked = [asyncio.ensure_future(house.registry.recognise(secret)) for secret in secrets]
    await asyncio.sleep(0)
    clock.advance(1)
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert all(isinstance(answer, Refused) and answer.code is ErrorCode.UNAUTHENTICATED for answer in answers)
    assert house.directory.looks - looks <= 2


async def test_an_unknown_secret_is_not_refused_for_good_while_the_directory_is_gone(house: House) -> None:
    house.directory.is_gone = True
    with pytest.raises(Unavailable):
        await house.registry.recognise("lsn_" + "n" * 43)


def test_an_expired_secret_is_refused_without_asking_the_directory(house: House, clock: HandClock) -> None:
    clock.advance(YEAR_MS - 1)
    house.registry._confirmed_at = clock.monotonic_ms()
    house.registry.authenticate(SECRETS["kim"])
    clock.advance(1)
    with pytest.raises(Refused, match="sign in"):
        house.registry.authenticate(SECRETS["kim"])


async def test_an_inactive_accounts_secret_is_refused(house: House) -> None:
    await house.directory.set_active(KIM.user, active=False, actor="cli")
    await house.registry.refresh()
    with pytest.raises(Refused) as error:
        house.registry.authenticate(SECRETS["kim"])
    assert error.value.code is ErrorCode.UNAUTHENTICATED


async def test_before_it_was_read_the_directory_lets_nobody_in(house: House, clock: HandClock) -> None:
    registry = Registry(house.directory, clock)
    assert registry.is_stale
    with pytest.raises(Unavailable):
        registry.authenticate(SECRETS["kim"])


# ------------------------------------------------------------------------------------------------------------- rights


def test_a_member_may_and_gets_the_channel(house: House) -> None:
    actor = house.registry.authenticate(SECRETS["kim"])
    assert house.registry.may(actor, Action.PUBLISH, "south/desk") == DESK.channel
    assert house.registry.allows(actor, Action.PUBLISH, "south/desk")
    house.registry.may(actor, Action.LIST_CHANNELS)


@pytest.mark.parametrize("action", [action for action in Action if RULES[action].need is not Need.NOTHING])
def test_the_other_sides_channel_is_answered_like_none_and_like_nonsense(house: House, action: Action) -> None:
    actor = house.registry.authenticate(SECRETS["pak"])
    answers = set()
    for channel in ("south/desk", "south/nothing", "nonsense", "", "joint/", "dm/a+b", "../x", "joint/\x00", "a" * 999):
        with pytest.raises(Refused) as error:
            house.registry.may(actor, action, channel)
        answers.add((error.value.code, error.value.message, error.value.retry_after_ms, type(error.value)))
        assert error.value.__cause__ is None
        assert not house.registry.allows(actor, action, channel)
    assert len(answers) == 1
    assert answers.pop()[0] is ErrorCode.NO_SUCH_CHANNEL


async def test_even_a_row_in_the_table_of_members_lets_nobody_into_the_other_sides_channel(house: House) -> None:
    await house.directory.set_membership(DESK.channel, PAK.user, Membership(), actor="cli")
    await house.registry.refresh()
    actor = house.registry.authenticate(SECRETS["pak"])
    assert house.registry.rights.membership(PAK.user, DESK.channel) is not None
    assert not house.registry.allows(actor, Action.READ, "south/desk")


async def test_who_may_only_read_is_told_so(house: House) -> None:
    await house.directory.set_membership(GENERAL.channel, KIM.user, Membership(can_write=False), actor="cli")
    await house.registry.refresh()
    actor = house.registry.authenticate(SECRETS["kim"])
    house.registry.may(actor, Action.READ, "joint/general")
    with pytest.raises(Refused) as error:
        house.registry.may(actor, Action.PUBLISH, "joint/general")
    assert error.value.code is ErrorCode.FORBIDDEN


async def test_an_actor_of_a_moment_ago_has_the_rights_of_now(house: House) -> None:
    actor = house.registry.authenticate(SECRETS["kim"])
    await house.directory.set_membership(GENERAL.channel, KIM.user, None, actor="cli")
    await house.registry.refresh()
    assert not house.registry.allows(actor, Action.READ, "joint/general")
    await house.directory.revoke_credential(actor.credential, actor="cli")
    await house.registry.refresh()
    for check in (
        lambda: house.registry.may(actor, Action.READ, "south/desk"),
        lambda: house.registry.may(actor, Action.LIST_CHANNELS),
    ):
        with pytest.raises(Refused) as error:
            check()
        assert error.value.code is ErrorCode.REVOKED


def test_asking_about_a_channel_where_there_is_none_is_a_bug_and_not_a_right(house: House) -> None:
    actor = house.registry.authenticate(SECRETS["kim"])
    with pytest.raises(ValueError, match="LIST_CHANNELS"):
        house.registry.may(actor, Action.LIST_CHANNELS, "north/desk")
    with pytest.raises(ValueError, match="READ"):
        house.registry.may(actor, Action.READ)


# -------------------------------------------------------------------------------------------------------------- change


async def test_listeners_hear_of_each_change_once_and_not_of_none(house: House, clock: HandClock) -> None:
    heard: list[tuple[Rights, Rights]] = []
    stop = house.registry.on_change(lambda before, after: heard.append((before, after)))
    before = house.registry.rights
    await house.registry.refresh()
    clock.advance(RECHECK_MS)
    await house.registry.refresh()
    assert house.directory.loads == 2
    assert heard == []
    await house.directory.set_active(PAK.user, active=False, actor="cli")
    await house.registry.refresh()
    assert heard == [(before, house.registry.rights)]
    assert before.credentials.keys() - house.registry.rights.credentials.keys() == {digest_of(SECRETS["pak"])}
    stop()
    stop()
    await house.directory.set_active(PAK.user, active=True, actor="cli")
    await house.registry.refresh()
    assert len(heard) == 1


async def test_a_slow_refresh_never_brings_back_what_was_revoked_meanwhile(house: House) -> None:
    answer = house.directory.late_answer = asyncio.Event()
    await house.directory.set_active(PAK.user, active=False, actor="cli")
    async with asyncio.TaskGroup() as group:
        group.create_task(house.registry.refresh())
        await house.directory.has_read.wait()
        await house.directory.set_active(KIM.user, active=False, actor="cli")
        second = group.create_task(house.registry.refresh())
        # Lets the second one get as far as it can while the first still holds its old answer.
        for _ in range(20):
            await asyncio.sleep(0)
        assert not second.done()
        answer.set()
    assert house.registry.rights == await house.directory.load()
    assert not house.registry.rights.accounts[KIM.user].active


async def test_a_directory_restored_to_an_older_revision_is_read_again(house: House) -> None:
    house.registry._rights = Rights(99, {}, {}, {}, {})
    await house.registry.refresh()
    assert KIM.user in house.registry.rights.accounts


@pytest.mark.parametrize("seed", range(5))
def test_a_change_is_known_within_half_a_second(seed: int) -> None:
    async def scenario(world: virtual_time.World) -> int:
        async with House(world.clock).running() as house:
            known = asyncio.Event()
            house.registry.on_change(lambda _, __: known.set())
            await asyncio.sleep(world.random.random() * 60)
            before_ms = world.clock.monotonic_ms()
            await house.directory.set_active(KIM.user, active=False, actor="cli")
            await known.wait()
            return world.clock.monotonic_ms() - before_ms

    assert virtual_time.run(seed, scenario) <= POLL_MS


def test_a_poke_makes_it_known_at_once() -> None:
    async def scenario(world: virtual_time.World) -> int:
        async with House(world.clock).running() as house:
            known = asyncio.Event()
            house.registry.on_change(lambda _, __: known.set())
            await asyncio.sleep(10.1)
            await house.directory.set_active(KIM.user, active=False, actor="cli")
            before_ms = world.clock.monotonic_ms()
            house.registry.poke()
            await known.wait()
            return world.clock.monotonic_ms() - before_ms

    assert virtual_time.run(0, scenario) == 0


def test_everything_is_read_again_every_half_minute_and_not_more_often() -> None:
    async def scenario(world: virtual_time.World) -> int:
        async with House(world.clock).running() as house:
            await asyncio.sleep(10 * RECHECK_MS / 1000 + 5)
            return house.directory.loads

    assert 10 <= virtual_time.run(0, scenario) <= 11


def test_an_expired_credential_ends_within_half_a_minute_without_any_change() -> None:
    async def scenario(world: virtual_time.World) -> int:
        async with House(world.clock).running() as house:
            ended = asyncio.Event()
            house.registry.on_change(lambda _, after: None if after.credentials else ended.set())
            world.clock.jump_wall(YEAR_MS)
            before_ms = world.clock.monotonic_ms()
            await ended.wait()
            return world.clock.monotonic_ms() - before_ms

    assert virtual_time.run(0, scenario) <= RECHECK_MS + POLL_MS


def test_while_the_directory_is_gone_the_last_snapshot_holds_but_after_half_a_minute_lets_nobody_new_in() -> None:
    async def scenario(world: virtual_time.World) -> None:
        async with House(world.clock).running() as house:
            actor = house.registry.authenticate(SECRETS["kim"])
            house.directory.is_gone = True
            await asyncio.sleep(RECHECK_MS / 1000 - 2)
            assert house.registry.authenticate(SECRETS["kim"]) == actor
            await asyncio.sleep(3)
            assert house.registry.is_stale
            with pytest.raises(Unavailable):
                house.registry.authenticate(SECRETS["kim"])
            assert house.registry.may(actor, Action.PUBLISH, "joint/general")
            house.directory.is_gone = False
            await asyncio.sleep(POLL_MS / 1000)
            assert house.registry.authenticate(SECRETS["kim"]) == actor

    virtual_time.run(0, scenario)


def test_uses_are_noted_in_batches() -> None:
    async def scenario(world: virtual_time.World) -> list[Mapping[str, Millis]]:
        async with House(world.clock).running() as house:
            for secret in (*SECRETS.values(), SECRETS["kim"]):
                house.registry.authenticate(secret)
            await asyncio.sleep(3 * NOTE_USES_MS / 1000)
            return house.directory.touched

    (batch,) = virtual_time.run(0, scenario)
    assert set(batch) == {digest_of(secret) for secret in SECRETS.values()}


async def test_uses_that_could_not_be_noted_are_noted_next_time_but_not_over_newer_ones(
    house: House, clock: HandClock
) -> None:
    def use_once_more_while_it_fails() -> None:
        clock.advance(5)
        house.registry.authenticate(SECRETS["kim"])

    for secret in SECRETS.values():
        house.registry.authenticate(secret)
    first_ms = clock.wall_ms()
    house.directory.is_gone, house.directory.on_touch = True, use_once_more_while_it_fails
    with pytest.raises(DirectoryUnavailableError):
        await house.registry.note_uses()
    house.directory.is_gone, house.directory.on_touch = False, lambda: None
    await house.registry.note_uses()
    assert house.directory.touched == [{digest_of(SECRETS["kim"]): first_ms + 5, digest_of(SECRETS["pak"]): first_ms}]
    await house.registry.note_uses()
    assert len(house.directory.touched) == 1


async def test_revocation_by_another_process_is_known_in_real_time_within_a_second(tmp_path: Path) -> None:
    clock = SystemClock()
    here, there = open_database(tmp_path / "office.sqlite3"), open_database(tmp_path / "office.sqlite3")
    try:
        await furnish(SqlDirectory(here, clock), clock)
        registry = Registry(SqlDirectory(here, clock), clock)
        await registry.start()
        changed: asyncio.Future[Rights] = asyncio.get_running_loop().create_future()
        registry.on_change(lambda _, after: changed.set_result(after))
        loop = asyncio.ensure_future(registry.run())
        before_ms = clock.monotonic_ms()
        await SqlDirectory(there, clock).set_active(KIM.user, active=False, actor="cli")
        rights = await changed
        assert not rights.credential_is_live(digest_of(SECRETS["kim"]), clock.wall_ms())
        assert rights.credential_is_live(digest_of(SECRETS["pak"]), clock.wall_ms())
        assert clock.monotonic_ms() - before_ms <= 1000
        loop.cancel()
        await asyncio.gather(loop, return_exceptions=True)
    finally:
        await here.close()
        await there.close()
