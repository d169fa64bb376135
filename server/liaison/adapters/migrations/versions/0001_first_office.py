"""The first office: log, read positions, search, directory and audit log."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_ROW_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create everything, with the office in its first epoch."""
    _create_log()
    _create_directory()
    op.execute("INSERT INTO office (id, epoch) VALUES (1, 1)")
    op.execute("INSERT INTO directory_revision (id, revision) VALUES (1, 0)")


def _create_log() -> None:
    op.create_table(
        "office",
        sa.Column("id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_office"),
        sa.CheckConstraint("id = 1", name="ck_office_one_row"),
    )
    op.create_table(
        "channel_head",
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("channel", sa.String, nullable=False),
        sa.Column("head", sa.BigInteger, nullable=False),
        sa.Column("link", sa.LargeBinary(32), nullable=False),
        sa.Column("suspended", sa.Boolean, nullable=False),
        sa.Column("held", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_channel_head"),
        sa.UniqueConstraint("channel", name="uq_channel_head_channel"),
    )
    op.create_table(
        "message",
        sa.Column("moment", _ROW_ID, autoincrement=False, nullable=False),
        sa.Column("channel_number", sa.Integer, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("time_ms", sa.BigInteger, nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("sender", sa.String, nullable=False),
        sa.Column("delegation", sa.String, nullable=False),
        sa.Column("key", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("ref", sa.BigInteger, nullable=False),
        sa.Column("reaction", sa.String, nullable=False),
        sa.Column("removed", sa.Boolean, nullable=False),
        sa.Column("mentions", sa.String, nullable=False),
        sa.Column("precedence", sa.String, nullable=False),
        sa.Column("data", sa.Text, nullable=False),
        sa.Column("link", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("moment", name="pk_message"),
        sa.ForeignKeyConstraint(["channel_number"], ["channel_head.number"], name="fk_message_channel_number"),
        sa.UniqueConstraint("channel_number", "seq", name="uq_message_channel_number_seq"),
        sa.UniqueConstraint("channel_number", "sender", "key", name="uq_message_channel_number_sender_key"),
    )
    op.create_index(
        "ix_message_amendment",
        "message",
        ["channel_number", "ref"],
        sqlite_where=sa.text("kind IN ('correction', 'withdrawal')"),
        postgresql_where=sa.text("kind IN ('correction', 'withdrawal')"),
    )
    op.create_table(
        "held",
        sa.Column("channel_number", sa.Integer, nullable=False),
        sa.Column("place", sa.BigInteger, nullable=False),
        sa.Column("time_ms", sa.BigInteger, nullable=False),
        sa.Column("sender", sa.String, nullable=False),
        sa.Column("delegation", sa.String, nullable=False),
        sa.Column("key", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("ref", sa.BigInteger, nullable=False),
        sa.Column("reaction", sa.String, nullable=False),
        sa.Column("removed", sa.Boolean, nullable=False),
        sa.Column("mentions", sa.String, nullable=False),
        sa.Column("precedence", sa.String, nullable=False),
        sa.Column("data", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("channel_number", "place", name="pk_held"),
        sa.ForeignKeyConstraint(["channel_number"], ["channel_head.number"], name="fk_held_channel_number"),
        sa.UniqueConstraint("channel_number", "sender", "key", name="uq_held_channel_number_sender_key"),
    )
    _create_search_index()
    op.create_table(
        "read_position",
        sa.Column("user_id", sa.String, nullable=False),
        sa.Column("channel", sa.String, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("user_id", "channel", name="pk_read_position"),
    )


def _create_search_index() -> None:
    if op.get_bind().dialect.name == "sqlite":
        # Holds which message has which pair of characters and nothing else: no copy of the text, no places, no sizes.
        # The texts come as blank-separated tokens, and `ascii` splits at nothing but ASCII punctuation and blanks.
        op.execute(
            "CREATE VIRTUAL TABLE search_index"
            " USING fts5(tokens, content='', detail='none', columnsize=0, tokenize='ascii')"
        )
        return
    op.execute("ALTER TABLE message ADD COLUMN tokens tsvector")
    op.execute("CREATE INDEX ix_message_tokens ON message USING gin (tokens)")
    # Counts the entries within a millisecond. Nodes append at the same time, so none can look for the last one.
    op.execute("CREATE SEQUENCE moment_counter MINVALUE 0 MAXVALUE 1048575 CYCLE")


def _create_directory() -> None:
    op.create_table(
        "account",
        sa.Column("user_id", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("delegation", sa.String, nullable=False),
        sa.Column("role", sa.String, nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("user_id", name="pk_account"),
    )
    op.create_table(
        "secret",
        sa.Column("user_id", sa.String, nullable=False),
        sa.Column("password_hash", sa.String, nullable=False),
        sa.Column("totp_secret", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("user_id", name="pk_secret"),
        sa.ForeignKeyConstraint(["user_id"], ["account.user_id"], name="fk_secret_user_id"),
    )
    op.create_table(
        "channel",
        sa.Column("channel", sa.String, nullable=False),
        sa.Column("title_ko", sa.String, nullable=False),
        sa.Column("title_en", sa.String, nullable=False),
        sa.Column("open_to_all", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("channel", name="pk_channel"),
    )
    op.create_table(
        "membership",
        sa.Column("channel", sa.String, nullable=False),
        sa.Column("user_id", sa.String, nullable=False),
        sa.Column("can_write", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("channel", "user_id", name="pk_membership"),
        sa.ForeignKeyConstraint(["channel"], ["channel.channel"], name="fk_membership_channel"),
        sa.ForeignKeyConstraint(["user_id"], ["account.user_id"], name="fk_membership_user_id"),
    )
    op.create_table(
        "credential",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("user_id", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("label", sa.String, nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("expires_ms", sa.BigInteger, nullable=False),
        sa.Column("last_used_ms", sa.BigInteger),
        sa.PrimaryKeyConstraint("digest", name="pk_credential"),
        sa.ForeignKeyConstraint(["user_id"], ["account.user_id"], name="fk_credential_user_id"),
    )
    op.create_index("ix_credential_user_id", "credential", ["user_id"])
    op.create_table(
        "directory_revision",
        sa.Column("id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_directory_revision"),
        sa.CheckConstraint("id = 1", name="ck_directory_revision_one_row"),
    )
    op.create_table(
        "audit",
        sa.Column("seq", _ROW_ID, autoincrement=False, nullable=False),
        sa.Column("time_ms", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.String, nullable=False),
        sa.Column("action", sa.String, nullable=False),
        sa.Column("subject", sa.String, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("link", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_audit"),
    )
