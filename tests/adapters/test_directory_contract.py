"""What every directory keeps to, on each database; and what holds between two processes."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from liaison.adapters.postgres_engine import open_postgres
from liaison.adapters.postgres_lines import PostgresSettings
from liaison.adapters.sql_directory import AUDIT_GENESIS, SqlDirectory, audit_link
from liaison.adapters.sql_engine import memory_database, open_database
from liaison.core.identifiers import ChannelId, DelegationId, Millis, UserId
from liaison.core.rights import Account, Channel, Credential, CredentialKind, Membership, Role
from liaison.ports.directory import (
    AlreadyExistsError,
    Directory,
    DirectoryUnavailableError,
    NotFoundError,
    Secrets,
)
from tests.hand_clock import WALL_START_MS, HandClock
from tests.postgres_server import PostgresServer

SOUTH, NORTH = DelegationId("south"), DelegationId("north")
KIM = Account(UserId("kim"), "김", SOUTH, Role.OFFICIAL)
PAK = Account(UserId("pak"), "박", NORTH, Role.HEAD)
BOT = Account(UserId("bot"), "날씨", SOUTH, Role.BOT)
OPS = Account(UserId("ops"), "운영", DelegationId(""), Role.OPS)
GENERAL = Channel(ChannelId("joint/general"), "일반", "General")
DESK = Channel(ChannelId("south/desk"), "당직", "Desk")
CLOSED = Channel(ChannelId("joint/closed"), "비공개", "Closed", open_to_all=False)
HASH = Secrets("$hash$", "TOTP")
NONE = Secrets("", "")


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@asynccontextmanager
async def directory_in(path: Path, clock: HandClock) -> AsyncIterator[SqlDirectory]:
    database = open_database(path)
    try:
        yield SqlDirectory(database, clock)
    finally:
        await database.close()


@pytest.fixture(params=["memory", "file", pytest.param("postgres", marks=pytest.mark.system)])
async def directory(request: pytest.FixtureRequest, tmp_path: Path, clock: HandClock) -> AsyncIterator[Directory]:
    if request.param == "file":
        async with directory_in(tmp_path / "office.sqlite3", clock) as stored:
            yield stored
        return
    if request.param == "postgres":
        server: PostgresServer = request.getfixturevalue("postgres_server")
        async with directory_at(PostgresSettings(server.url(), server.furnished_office()), clock) as shared:
            yield shared
        return
    database = memory_database()
    yield SqlDirectory(database, clock)
    await database.close()


@asynccontextmanager
async def directory_at(settings: PostgresSettings, clock: HandClock) -> AsyncIterator[SqlDirectory]:
    database = open_postgres(settings)
    try:
        yield SqlDirectory(database, clock)
    finally:
        await database.close()


def credential(name: str, user: UserId = KIM.user, kind: CredentialKind = CredentialKind.BROWSER) -> Credential:
    return Credential(name, user, kind, "browser", Millis(WALL_START_MS), Millis(WALL_START_MS + 1000))


async def add_everybody(directory: Directory) -> None:
    for account in (KIM, PAK, BOT, OPS):
        await directory.add_account(account, HASH if account is KIM else NONE, actor="cli")


async def test_a_new_directory_is_empty(directory: Directory) -> None:
    rights = await directory.load()
    assert (rights.accounts, rights.channels, rights.members, rights.credentials) == ({}, {}, {}, {})
    assert rights.revision == await directory.revision()


async def test_accounts_channels_and_secrets_come_back_as_they_were_put(directory: Directory) -> None:
    await add_everybody(directory)
    await directory.add_channel(CLOSED, {BOT.user: Membership(can_write=False)}, actor="cli")
    rights = await directory.load()
    assert rights.accounts == {account.user: account for account in (KIM, PAK, BOT, OPS)}
    assert rights.channels == {CLOSED.channel: CLOSED}
    assert rights.members == {CLOSED.channel: {BOT.user: Membership(can_write=False)}}
    assert await directory.secrets(KIM.user) == HASH
    assert await directory.secrets(UserId("nobody")) is None


async def test_people_join_open_channels_of_their_sides_whichever_came_first(directory: Directory) -> None:
    await directory.add_channel(GENERAL, {}, actor="cli")
    await directory.add_channel(CLOSED, {}, actor="cli")
    await add_everybody(directory)
    await directory.add_channel(DESK, {}, actor="cli")
    assert (await directory.load()).members == {
        GENERAL.channel: {KIM.user: Membership(), PAK.user: Membership()},
        DESK.channel: {KIM.user: Membership()},
        CLOSED.channel: {},
    }


async def test_a_named_members_rights_are_those_named(directory: Directory) -> None:
    await add_everybody(directory)
    await directory.add_channel(GENERAL, {KIM.user: Membership(can_write=False)}, actor="cli")
    assert (await directory.load()).members[GENERAL.channel][KIM.user] == Membership(can_write=False)


async def test_a_name_is_given_once(directory: Directory) -> None:
    await directory.add_account(KIM, HASH, actor="cli")
    await directory.add_channel(GENERAL, {}, actor="cli")
    before, records = await directory.load(), await directory.audit_records(after=0, limit=100)
    with pytest.raises(AlreadyExistsError, match="kim"):
        await directory.add_account(replace(KIM, role=Role.HEAD), NONE, actor="cli")
    with pytest.raises(AlreadyExistsError, match="joint/general"):
        await directory.add_channel(replace(GENERAL, title_en="Other"), {}, actor="cli")
    assert await directory.load() == before
    assert await directory.secrets(KIM.user) == HASH
    assert await directory.audit_records(after=0, limit=100) == records


async def test_what_is_not_there_is_not_found_and_nothing_changes(directory: Directory) -> None:
    await add_everybody(directory)
    before = await directory.load()
    nobody = UserId("nobody")
    for change in (
        directory.set_active(nobody, active=False, actor="cli"),
        directory.set_secrets(nobody, NONE, actor="cli"),
        directory.add_channel(GENERAL, {nobody: Membership()}, actor="cli"),
        directory.set_membership(GENERAL.channel, KIM.user, Membership(), actor="cli"),
        directory.add_credential(credential("c1", nobody), actor="cli"),
    ):
        with pytest.raises(NotFoundError):
            await change
    assert await directory.load() == before


async def test_each_change_raises_the_revision_by_one_and_leaves_one_record(directory: Directory) -> None:
    await add_everybody(directory)
    await directory.add_channel(GENERAL, {}, actor="cli")
    revision = await directory.revision()
    records = len(await directory.audit_records(after=0, limit=100))
    for change in (
        directory.set_membership(GENERAL.channel, BOT.user, Membership(), actor="cli"),
        directory.set_membership(GENERAL.channel, BOT.user, Membership(can_write=False), actor="cli"),
        directory.set_membership(GENERAL.channel, BOT.user, None, actor="cli"),
        directory.add_credential(credential("c1"), actor="kim"),
        directory.revoke_credential("c1", actor="kim"),
        directory.set_secrets(KIM.user, NONE, actor="cli"),
        directory.set_active(KIM.user, active=False, actor="cli"),
    ):
        await change
        revision, records = revision + 1, records + 1
        assert await directory.revision() == (await directory.load()).revision == revision
        assert len(await directory.audit_records(after=0, limit=100)) == records


async def test_what_changes_nothing_leaves_no_trace(directory: Directory) -> None:
    await add_everybody(directory)
    await directory.add_channel(GENERAL, {}, actor="cli")
    revision, records = await directory.revision(), await directory.audit_records(after=0, limit=100)
    await directory.set_membership(GENERAL.channel, KIM.user, Membership(), actor="cli")
    await directory.set_membership(GENERAL.channel, BOT.user, None, actor="cli")
    await directory.revoke_credential("nothing", actor="cli")
    assert await directory.revoke_credentials_of(KIM.user, actor="cli") == 0
    await directory.touch_credentials({"nothing": Millis(1)})
    await directory.replace_hash(KIM.user, HASH.password_hash, "$newer$")
    assert await directory.revision() == revision
    assert await directory.audit_records(after=0, limit=100) == records


async def test_keeping_somebody_out_ends_all_their_credentials_and_nobody_elses(directory: Directory) -> None:
    await add_everybody(directory)
    for name, owner in (("c1", KIM), ("c2", PAK)):
        await directory.add_credential(credential(name, owner.user), actor="cli")
    await directory.set_active(KIM.user, active=False, actor="cli")
    assert set((await directory.load()).credentials) == {"c2"}
    with pytest.raises(NotFoundError):
        await directory.add_credential(credential("c3"), actor="cli")
    await directory.set_active(KIM.user, active=True, actor="cli")
    rights = await directory.load()
    assert set(rights.credentials) == {"c2"}
    assert rights.accounts[KIM.user] == KIM


async def test_a_new_password_ends_browsers_and_leaves_tokens(directory: Directory) -> None:
    await add_everybody(directory)
    await directory.add_credential(credential("cookie"), actor="cli")
    await directory.add_credential(credential("token", kind=CredentialKind.TOKEN), actor="cli")
    await directory.set_secrets(KIM.user, Secrets("$new$", ""), actor="cli")
    assert await directory.secrets(KIM.user) == Secrets("$new$", "")
    assert [c.digest for c in await directory.credentials_of(KIM.user)] == ["token"]


async def test_a_hash_is_replaced_only_while_it_is_the_one_it_was_made_from(directory: Directory) -> None:
    await add_everybody(directory)
    await directory.add_credential(credential("cookie"), actor="cli")
    await directory.replace_hash(KIM.user, "$another$", "$stale$")
    assert await directory.secrets(KIM.user) == HASH
    await directory.replace_hash(KIM.user, HASH.password_hash, "$newer$")
    assert await directory.secrets(KIM.user) == Secrets("$newer$", HASH.totp_secret)
    assert set((await directory.load()).credentials) == {"cookie"}


async def test_expired_credentials_are_left_out(directory: Directory, clock: HandClock) -> None:
    await add_everybody(directory)
    await directory.add_credential(credential("c1"), actor="cli")
    clock.advance(999)
    assert set((await directory.load()).credentials) == {"c1"}
    clock.advance(1)
    assert (await directory.load()).credentials == {}
    assert await directory.credentials_of(KIM.user) == []
    assert await directory.revoke_credentials_of(KIM.user, actor="cli") == 0


async def test_a_credential_is_stored_once(directory: Directory) -> None:
    await add_everybody(directory)
    await directory.add_credential(credential("c1"), actor="cli")
    with pytest.raises(AlreadyExistsError):
        await directory.add_credential(credential("c1", PAK.user), actor="cli")
    assert (await directory.load()).credentials == {"c1": credential("c1")}


async def test_credentials_of_somebody_come_oldest_first_and_end_together(directory: Directory) -> None:
    await add_everybody(directory)
    newer = replace(credential("a"), created_ms=Millis(WALL_START_MS + 5))
    for one in (newer, credential("b"), credential("c", PAK.user)):
        await directory.add_credential(one, actor="cli")
    assert await directory.credentials_of(KIM.user) == [credential("b"), newer]
    assert await directory.revoke_credentials_of(KIM.user, actor="cli") == 2
    assert set((await directory.load()).credentials) == {"c"}


async def test_the_audit_log_is_a_chain_in_order_of_time(directory: Directory, clock: HandClock) -> None:
    await add_everybody(directory)
    clock.advance(7)
    await directory.audit("kim", "export", "joint/general", "1 to 7")
    records = await directory.audit_records(after=0, limit=100)
    assert [record.seq for record in records] == list(range(1, len(records) + 1))
    previous = AUDIT_GENESIS
    for record in records:
        assert record.link == audit_link(previous, record)
        previous = record.link
    last = records[-1]
    assert (last.actor, last.action, last.subject, last.detail) == ("kim", "export", "joint/general", "1 to 7")
    assert last.time_ms == WALL_START_MS + 7
    assert await directory.audit_records(after=2, limit=2) == records[2:4]


async def test_a_link_covers_all_records_before_it(directory: Directory) -> None:
    await directory.audit("kim", "export", "joint/general", "")
    (record,) = await directory.audit_records(after=0, limit=1)
    assert audit_link(AUDIT_GENESIS, record) == record.link != audit_link(b"\x01" * 32, record)


async def test_a_record_that_was_changed_breaks_its_link(directory: Directory) -> None:
    await directory.audit("kim", "export", "joint/general", "")
    (record,) = await directory.audit_records(after=0, limit=1)
    for changed in (
        replace(record, seq=2),
        replace(record, time_ms=Millis(0)),
        replace(record, actor="lee"),
        replace(record, action="read"),
        replace(record, subject="joint/other"),
        replace(record, detail="1 to 7"),
    ):
        assert audit_link(AUDIT_GENESIS, changed) != record.link


async def test_the_audit_log_holds_no_secret(directory: Directory) -> None:
    secret = Secrets("$argon2id$very-secret", "TOTPSECRET")
    await directory.add_account(KIM, secret, actor="cli")
    await directory.set_secrets(KIM.user, secret, actor="cli")
    digest = "0123456789abcdef" * 4
    await directory.add_credential(credential(digest), actor="kim")
    await directory.revoke_credential(digest, actor="kim")
    log = repr(await directory.audit_records(after=0, limit=100))
    assert not any(word in log for word in ("very-secret", "TOTPSECRET", digest))


async def test_a_closed_database_is_unavailable(clock: HandClock) -> None:
    database = memory_database()
    directory = SqlDirectory(database, clock)
    await database.close()
    with pytest.raises(DirectoryUnavailableError):
        await directory.revision()
    with pytest.raises(DirectoryUnavailableError):
        await directory.add_account(KIM, HASH, actor="cli")


async def test_two_processes_see_each_others_changes_and_lose_none(tmp_path: Path, clock: HandClock) -> None:
    path = tmp_path / "office.sqlite3"
    async with directory_in(path, clock) as here, directory_in(path, clock) as there:
        await change_from_both(here, there)


@pytest.mark.system
async def test_two_nodes_see_each_others_changes_and_lose_none(
    postgres_server: PostgresServer, clock: HandClock
) -> None:
    settings = PostgresSettings(postgres_server.url(), postgres_server.furnished_office())
    async with directory_at(settings, clock) as here, directory_at(settings, clock) as there:
        await change_from_both(here, there)


async def change_from_both(here: Directory, there: Directory) -> None:
    await here.add_channel(GENERAL, {}, actor="here")
    people = [replace(KIM, user=UserId(f"kim{n}")) for n in range(40)]
    await asyncio.gather(
        *((here, there)[n % 2].add_account(account, NONE, actor="cli") for n, account in enumerate(people))
    )
    rights = await here.load()
    assert rights == await there.load()
    assert set(rights.members[GENERAL.channel]) == {account.user for account in people}
    assert await here.revision() == await there.revision() == 41
    records = await there.audit_records(after=0, limit=100)
    assert [record.seq for record in records] == list(range(1, 42))
    previous = AUDIT_GENESIS
    for record in records:
        assert record.link == audit_link(previous, record)
        previous = record.link


async def test_what_last_used_says_is_stored(tmp_path: Path, clock: HandClock) -> None:
    path = tmp_path / "office.sqlite3"
    async with directory_in(path, clock) as directory:
        await add_everybody(directory)
        await directory.add_credential(credential("c1"), actor="cli")
        await directory.touch_credentials({"c1": Millis(WALL_START_MS + 3)})
    with sqlite3.connect(path) as file:
        assert file.execute("SELECT last_used_ms FROM credential").fetchall() == [(WALL_START_MS + 3,)]
    file.close()


async def test_what_has_expired_does_not_stay_for_ever(tmp_path: Path, clock: HandClock) -> None:
    path = tmp_path / "office.sqlite3"
    async with directory_in(path, clock) as directory:
        await add_everybody(directory)
        await directory.add_credential(credential("c1"), actor="cli")
        clock.advance(1000)
        later = replace(credential("c2"), expires_ms=Millis(WALL_START_MS + 5000))
        await directory.add_credential(later, actor="cli")
    with sqlite3.connect(path) as file:
        assert file.execute("SELECT digest FROM credential").fetchall() == [("c2",)]
    file.close()
