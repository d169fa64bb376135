"""The directory on SQL tables: each change is one transaction with its revision and its audit record. (schema.py)

Other processes and nodes change the same tables at the same time; a writing transaction keeps all others out from its
first statement on, so revisions and the audit log's chain have no gap and no fork.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from typing import Final, TypeVar

import msgspec
from sqlalchemy import Connection, Insert, Row, Select, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from liaison.adapters.schema import (
    ACCOUNT,
    AUDIT,
    CHANNEL,
    CREDENTIAL,
    DIRECTORY_REVISION,
    MEMBERSHIP,
    SECRET,
)
from liaison.adapters.sql_writer import StorageError, Transactions, Work
from liaison.core.identifiers import ChannelId, DelegationId, Millis, UserId
from liaison.core.permissions import joins_by_itself
from liaison.core.rights import Account, Channel, Credential, CredentialKind, Membership, Rights, Role
from liaison.ports.clock import Clock
from liaison.ports.directory import (
    AlreadyExistsError,
    AuditRecord,
    DirectoryUnavailableError,
    NotFoundError,
    Secrets,
)

T = TypeVar("T")

# The link before the audit log's first record.
AUDIT_GENESIS: Final = bytes(32)


def audit_link(previous: bytes, record: AuditRecord) -> bytes:
    """Give the link of a record that follows one with link `previous`; its own `link` doesn't count.

    SHA-256(previous link ‖ msgpack array of seq, time, actor, action, subject, detail), like the channels' own chain.
    """
    fields = (record.seq, record.time_ms, record.actor, record.action, record.subject, record.detail)
    return hashlib.sha256(previous + msgspec.msgpack.encode(fields)).digest()


class SqlDirectory:
    """ports.directory.Directory on an open database, which it does not close."""

    def __init__(self, database: Transactions, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    # ------------------------------------------------------------------------------------------------------- reading

    async def revision(self) -> int:
        return await self._read(_revision)

    async def load(self) -> Rights:
        now_ms = self._clock.wall_ms()
        return await self._read(lambda connection: _rights(connection, now_ms))

    async def secrets(self, user: UserId) -> Secrets | None:
        query = select(SECRET.c.password_hash, SECRET.c.totp_secret).where(SECRET.c.user_id == user)
        row = await self._read(lambda connection: connection.execute(query).one_or_none())
        return None if row is None else Secrets(row.password_hash, row.totp_secret)

    async def credentials_of(self, user: UserId) -> Sequence[Credential]:
        now_ms = self._clock.wall_ms()
        query = _live_credentials(now_ms).where(CREDENTIAL.c.user_id == user)
        return await self._read(lambda connection: [_credential(row) for row in connection.execute(query)])

    async def audit_records(self, *, after: int, limit: int) -> Sequence[AuditRecord]:
        query = select(AUDIT).where(AUDIT.c.seq > after).order_by(AUDIT.c.seq).limit(limit)
        return await self._read(lambda connection: [_audit_record(row) for row in connection.execute(query)])

    # ------------------------------------------------------------------------------------------------------ accounts

    async def add_account(self, account: Account, secrets: Secrets, *, actor: str) -> None:
        def work(connection: Connection) -> None:
            row = {
                "user_id": account.user,
                "name": account.name,
                "delegation": account.delegation,
                "role": account.role.value,
                "active": account.active,
            }
            _insert_new(connection, insert(ACCOUNT).values(row), f"there is an account {account.user!r} already")
            connection.execute(
                insert(SECRET).values(
                    user_id=account.user, password_hash=secrets.password_hash, totp_secret=secrets.totp_secret
                )
            )
            for channel in _channels(connection):
                if joins_by_itself(account, channel):
                    _put_membership(connection, channel.channel, account.user, Membership())
            detail = f"{account.role.value} {account.delegation}".rstrip()
            self._changed(connection, actor, "account.added", account.user, detail)

        await self._write(work)

    async def set_active(self, user: UserId, *, active: bool, actor: str) -> None:
        def work(connection: Connection) -> None:
            changed = connection.execute(update(ACCOUNT).where(ACCOUNT.c.user_id == user).values(active=active))
            _found(changed.rowcount, user)
            if not active:
                connection.execute(delete(CREDENTIAL).where(CREDENTIAL.c.user_id == user))
            self._changed(connection, actor, "account.enabled" if active else "account.disabled", user)

        await self._write(work)

    async def set_secrets(self, user: UserId, secrets: Secrets, *, actor: str) -> None:
        def work(connection: Connection) -> None:
            values = {"password_hash": secrets.password_hash, "totp_secret": secrets.totp_secret}
            changed = connection.execute(update(SECRET).where(SECRET.c.user_id == user).values(values))
            _found(changed.rowcount, user)
            connection.execute(
                delete(CREDENTIAL).where(
                    CREDENTIAL.c.user_id == user, CREDENTIAL.c.kind == CredentialKind.BROWSER.value
                )
            )
            self._changed(connection, actor, "secrets.changed", user)

        await self._write(work)

    async def replace_hash(self, user: UserId, before: str, after: str) -> None:
        statement = (
            update(SECRET).where(SECRET.c.user_id == user, SECRET.c.password_hash == before).values(password_hash=after)
        )
        await self._write(lambda connection: connection.execute(statement).rowcount)

    # ------------------------------------------------------------------------------------------------------ channels

    async def add_channel(self, channel: Channel, members: Mapping[UserId, Membership], *, actor: str) -> None:
        def work(connection: Connection) -> None:
            row = {
                "channel": channel.channel,
                "title_ko": channel.title_ko,
                "title_en": channel.title_en,
                "open_to_all": channel.open_to_all,
            }
            _insert_new(connection, insert(CHANNEL).values(row), f"there is a channel {channel.channel!r} already")
            # Everybody is looked at only where everybody may join.
            accounts = _accounts(connection, None if channel.open_to_all else members)
            for user in sorted(members.keys() - accounts.keys()):
                raise _no_account(user)
            joining = {user: Membership() for user, account in accounts.items() if joins_by_itself(account, channel)}
            joining.update(members)
            for user in sorted(joining):
                _put_membership(connection, channel.channel, user, joining[user])
            self._changed(connection, actor, "channel.added", channel.channel, " ".join(sorted(joining)))

        await self._write(work)

    async def set_membership(
        self, channel: ChannelId, user: UserId, membership: Membership | None, *, actor: str
    ) -> None:
        def work(connection: Connection) -> None:
            _require(connection, channel, user)
            before = _membership(connection, channel, user)
            if before == membership:
                return
            if membership is None:
                connection.execute(
                    delete(MEMBERSHIP).where(MEMBERSHIP.c.channel == channel, MEMBERSHIP.c.user_id == user)
                )
                self._changed(connection, actor, "member.removed", user, channel)
                return
            _put_membership(connection, channel, user, membership)
            detail = channel if membership.can_write else f"{channel} read-only"
            self._changed(connection, actor, "member.added" if before is None else "member.changed", user, detail)

        await self._write(work)

    # --------------------------------------------------------------------------------------------------- credentials

    async def add_credential(self, credential: Credential, *, actor: str) -> None:
        now_ms = self._clock.wall_ms()

        def work(connection: Connection) -> None:
            active = select(ACCOUNT.c.user_id).where(ACCOUNT.c.user_id == credential.user, ACCOUNT.c.active)
            if connection.execute(active).first() is None:
                raise _no_account(credential.user)
            row = {
                "digest": credential.digest,
                "user_id": credential.user,
                "kind": credential.kind.value,
                "label": credential.label,
                "created_ms": credential.created_ms,
                "expires_ms": credential.expires_ms,
            }
            _insert_new(connection, insert(CREDENTIAL).values(row), "there is such a credential already")
            # What has expired lets nobody in and is of no use to anybody; without this the table would only grow.
            connection.execute(delete(CREDENTIAL).where(CREDENTIAL.c.expires_ms <= now_ms))
            detail = f"{credential.kind.value} {credential.digest[:8]} {credential.label}"
            self._changed(connection, actor, "credential.added", credential.user, detail)

        await self._write(work)

    async def revoke_credential(self, digest: str, *, actor: str) -> None:
        def work(connection: Connection) -> None:
            owner = connection.execute(select(CREDENTIAL.c.user_id).where(CREDENTIAL.c.digest == digest)).scalar()
            if owner is not None:
                connection.execute(delete(CREDENTIAL).where(CREDENTIAL.c.digest == digest))
                self._changed(connection, actor, "credential.revoked", owner, digest[:8])

        await self._write(work)

    async def revoke_credentials_of(self, user: UserId, *, actor: str) -> int:
        now_ms = self._clock.wall_ms()

        def work(connection: Connection) -> int:
            live = connection.execute(
                select(func.count()).where(CREDENTIAL.c.user_id == user, CREDENTIAL.c.expires_ms > now_ms)
            ).scalar_one()
            connection.execute(delete(CREDENTIAL).where(CREDENTIAL.c.user_id == user))
            if live:
                self._changed(connection, actor, "credentials.revoked", user, str(live))
            return live

        return await self._write(work)

    async def touch_credentials(self, last_used_ms: Mapping[str, Millis]) -> None:
        def work(connection: Connection) -> None:
            for digest, used_ms in last_used_ms.items():
                connection.execute(update(CREDENTIAL).where(CREDENTIAL.c.digest == digest).values(last_used_ms=used_ms))

        await self._write(work)

    # --------------------------------------------------------------------------------------------------- audit log

    async def audit(self, actor: str, action: str, subject: str, detail: str) -> int:
        return await self._write(lambda connection: self._record(connection, actor, action, subject, detail))

    def _record(self, connection: Connection, actor: str, action: str, subject: str, detail: str) -> int:
        last = connection.execute(select(AUDIT.c.seq, AUDIT.c.link).order_by(AUDIT.c.seq.desc()).limit(1)).first()
        seq, previous = (0, AUDIT_GENESIS) if last is None else (last.seq, last.link)
        record = AuditRecord(seq + 1, self._clock.wall_ms(), actor, action, subject, detail, b"")
        connection.execute(
            insert(AUDIT).values(
                seq=record.seq,
                time_ms=record.time_ms,
                actor=actor,
                action=action,
                subject=subject,
                detail=detail,
                link=audit_link(previous, record),
            )
        )
        return record.seq

    def _changed(self, connection: Connection, actor: str, action: str, subject: str, detail: str = "") -> None:
        connection.execute(update(DIRECTORY_REVISION).values(revision=DIRECTORY_REVISION.c.revision + 1))
        self._record(connection, actor, action, subject, detail)

    # ------------------------------------------------------------------------------------------------ the database

    async def _read(self, work: Work[T]) -> T:
        try:
            return await self._database.read(work)
        except StorageError as error:
            raise DirectoryUnavailableError(str(error)) from error

    async def _write(self, work: Work[T]) -> T:
        try:
            return await self._database.write(work)
        except StorageError as error:
            raise DirectoryUnavailableError(str(error)) from error


def _revision(connection: Connection) -> int:
    revision: int = connection.execute(select(DIRECTORY_REVISION.c.revision)).scalar_one()
    return revision


def _rights(connection: Connection, now_ms: Millis) -> Rights:
    members: dict[ChannelId, dict[UserId, Membership]] = {channel.channel: {} for channel in _channels(connection)}
    for row in connection.execute(select(MEMBERSHIP)):
        members[ChannelId(row.channel)][UserId(row.user_id)] = Membership(row.can_write)
    return Rights(
        revision=_revision(connection),
        accounts=_accounts(connection),
        channels={channel.channel: channel for channel in _channels(connection)},
        members=members,
        credentials={row.digest: _credential(row) for row in connection.execute(_live_credentials(now_ms))},
    )


def _accounts(connection: Connection, users: Collection[UserId] | None = None) -> dict[UserId, Account]:
    """Give these accounts as far as they are there; None is all."""
    wanted = select(ACCOUNT) if users is None else select(ACCOUNT).where(ACCOUNT.c.user_id.in_(users))
    return {
        UserId(row.user_id): Account(
            UserId(row.user_id), row.name, DelegationId(row.delegation), Role(row.role), row.active
        )
        for row in connection.execute(wanted.order_by(ACCOUNT.c.user_id))
    }


def _channels(connection: Connection) -> list[Channel]:
    rows = connection.execute(select(CHANNEL).order_by(CHANNEL.c.channel))
    return [Channel(ChannelId(row.channel), row.title_ko, row.title_en, row.open_to_all) for row in rows]


def _live_credentials(now_ms: Millis) -> Select[tuple[object, ...]]:
    # The digest settles the order of those made in one millisecond.
    return (
        select(CREDENTIAL)
        .where(CREDENTIAL.c.expires_ms > now_ms)
        .order_by(CREDENTIAL.c.created_ms, CREDENTIAL.c.digest)
    )


def _credential(row: Row[tuple[object, ...]]) -> Credential:
    return Credential(
        row.digest, UserId(row.user_id), CredentialKind(row.kind), row.label, row.created_ms, row.expires_ms
    )


def _audit_record(row: Row[tuple[object, ...]]) -> AuditRecord:
    return AuditRecord(row.seq, row.time_ms, row.actor, row.action, row.subject, row.detail, row.link)


def _membership(connection: Connection, channel: ChannelId, user: UserId) -> Membership | None:
    query = select(MEMBERSHIP.c.can_write).where(MEMBERSHIP.c.channel == channel, MEMBERSHIP.c.user_id == user)
    can_write = connection.execute(query).scalar_one_or_none()
    return None if can_write is None else Membership(can_write)


def _put_membership(connection: Connection, channel: ChannelId, user: UserId, membership: Membership) -> None:
    place = (MEMBERSHIP.c.channel == channel) & (MEMBERSHIP.c.user_id == user)
    changed = connection.execute(update(MEMBERSHIP).where(place).values(can_write=membership.can_write))
    if not changed.rowcount:
        row = {"channel": channel, "user_id": user, "can_write": membership.can_write}
        connection.execute(insert(MEMBERSHIP).values(row))


def _require(connection: Connection, channel: ChannelId, user: UserId) -> None:
    if connection.execute(select(CHANNEL.c.channel).where(CHANNEL.c.channel == channel)).first() is None:
        raise NotFoundError(f"there is no channel {channel!r}")
    if connection.execute(select(ACCOUNT.c.user_id).where(ACCOUNT.c.user_id == user)).first() is None:
        raise _no_account(user)


def _insert_new(connection: Connection, statement: Insert, message: str) -> None:
    try:
        connection.execute(statement)
    except IntegrityError as error:
        raise AlreadyExistsError(message) from error


def _found(rows: int, user: UserId) -> None:
    if not rows:
        raise _no_account(user)


def _no_account(user: UserId) -> NotFoundError:
    return NotFoundError(f"there is no account {user!r}")
