"""Every table of the office's database, as SQLAlchemy Core; migrations/ brings a database file to this state.

Texts are UTF-8 in form C, times are milliseconds since 1970 UTC, flags are booleans. Rows of `message` and `audit` are
only ever added.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

METADATA: Final = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

# SQLite makes only a column of type INTEGER its row id, and PostgreSQL's INTEGER is too small for a moment.
_ROW_ID: Final = BigInteger().with_variant(Integer, "sqlite")

# One row. The epoch is part of every position; a restore from backup raises it. (PROTOCOL.md §5.2)
OFFICE: Final = Table(
    "office",
    METADATA,
    Column("id", Integer, CheckConstraint("id = 1", name="one_row"), primary_key=True, autoincrement=False),
    Column("epoch", Integer, nullable=False),
)

# One row for each channel that was ever written to. It is locked from an append's first statement to its commit, so
# that the order of commits is the order of seqs. `number` stands for the channel in the larger tables. `held` is how
# many drafts wait in `held`; none do in a channel that isn't suspended.
CHANNEL_HEAD: Final = Table(
    "channel_head",
    METADATA,
    Column("number", Integer, primary_key=True),
    Column("channel", String, nullable=False, unique=True),
    Column("head", BigInteger, nullable=False),
    Column("link", LargeBinary(32), nullable=False),
    Column("suspended", Boolean, nullable=False),
    Column("held", BigInteger, nullable=False),
)

# The condition of the index over the entries that name attachments; a query with the same one uses it. The mark is
# core.attachments.MARK, which a test compares.
_MARK: Final = "'\"attachments\":[{'"
ATTACHES: Final = {"sqlite": f"instr(data, {_MARK}) > 0", "postgresql": f"strpos(data, {_MARK}) > 0"}

# The log. `moment` is the entry's time in ms × 2^20 plus a counter: it orders the entries of all channels by time,
# and is also the row of the search index, so that "newest first" and "older than" cost nothing there.
# `epoch` is the one that the entry was written in, which a restore does not change. `mentions` is user ids joined by
# blanks.
MESSAGE: Final = Table(
    "message",
    METADATA,
    Column("moment", _ROW_ID, primary_key=True, autoincrement=False),
    Column("channel_number", Integer, ForeignKey("channel_head.number"), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("time_ms", BigInteger, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("sender", String, nullable=False),
    Column("delegation", String, nullable=False),
    Column("key", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("text", Text, nullable=False),
    Column("ref", BigInteger, nullable=False),
    Column("reaction", String, nullable=False),
    Column("removed", Boolean, nullable=False),
    Column("mentions", String, nullable=False),
    Column("precedence", String, nullable=False),
    Column("data", Text, nullable=False),
    Column("link", LargeBinary(32), nullable=False),
    UniqueConstraint("channel_number", "seq"),
    UniqueConstraint("channel_number", "sender", "key"),
    # What was done to an entry later; few entries have any, so the index holds only those.
    Index(
        "ix_message_amendment",
        "channel_number",
        "ref",
        sqlite_where=text("kind IN ('correction', 'withdrawal')"),
        postgresql_where=text("kind IN ('correction', 'withdrawal')"),
    ),
    # A few a day among thousands of entries: what both sides have signed is looked up at each signature.
    Index(
        "ix_message_signed_head",
        "channel_number",
        "seq",
        sqlite_where=text("kind = 'signed_head'"),
        postgresql_where=text("kind = 'signed_head'"),
    ),
    # What has which attachment, in no table of its own that could disagree with the log.
    Index(
        "ix_message_attachments",
        "channel_number",
        "seq",
        sqlite_where=text(ATTACHES["sqlite"]),
        postgresql_where=text(ATTACHES["postgresql"]),
    ),
)

# What was written to a suspended channel, with the columns of `message` that a draft has; it becomes entries at the
# resumption, in the order of the places. A key is never both here and in `message`.
HELD: Final = Table(
    "held",
    METADATA,
    Column("channel_number", Integer, ForeignKey("channel_head.number"), nullable=False),
    Column("place", BigInteger, nullable=False),
    Column("time_ms", BigInteger, nullable=False),
    Column("sender", String, nullable=False),
    Column("delegation", String, nullable=False),
    Column("key", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("text", Text, nullable=False),
    Column("ref", BigInteger, nullable=False),
    Column("reaction", String, nullable=False),
    Column("removed", Boolean, nullable=False),
    Column("mentions", String, nullable=False),
    Column("precedence", String, nullable=False),
    Column("data", Text, nullable=False),
    PrimaryKeyConstraint("channel_number", "place"),
    UniqueConstraint("channel_number", "sender", "key"),
)

# Who brought which content where: the right to name it there, and what counts against a side's quota. `time_ms` is when
# it was last uploaded or named.
UPLOAD: Final = Table(
    "upload",
    METADATA,
    Column("channel", String, nullable=False),
    Column("user_id", String, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("delegation", String, nullable=False),
    Column("media_type", String, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("time_ms", BigInteger, nullable=False),
    PrimaryKeyConstraint("channel", "user_id", "sha256"),
    Index("ix_upload_sha256", "sha256"),
)

# What is attached, where several nodes share the database; an office on one node keeps files instead. A content is
# there with all its pieces or not at all.
CONTENT: Final = Table(
    "content",
    METADATA,
    Column("sha256", String(64), primary_key=True),
    Column("size_bytes", BigInteger, nullable=False),
    Column("kept_ms", BigInteger, nullable=False),
)

CONTENT_PIECE: Final = Table(
    "content_piece",
    METADATA,
    Column("sha256", String(64), nullable=False),
    Column("place", Integer, nullable=False),
    Column("data", LargeBinary, nullable=False),
    PrimaryKeyConstraint("sha256", "place"),
)

READ_POSITION: Final = Table(
    "read_position",
    METADATA,
    Column("user_id", String, nullable=False),
    Column("channel", String, nullable=False),
    Column("seq", BigInteger, nullable=False),
    PrimaryKeyConstraint("user_id", "channel"),
)

# The search index is a virtual table of SQLite's, which SQLAlchemy has no words for, and beside it is one row with the
# moment of the newest entry in it: see migrations/ and sql_search.py.
# On PostgreSQL it is the column `tokens` of `message`, and a sequence counts within a moment: see postgres_search.py
# and postgres_append.py.
SEARCH_INDEX: Final = "search_index"
SEARCH_MARK: Final = "search_mark"

ACCOUNT: Final = Table(
    "account",
    METADATA,
    Column("user_id", String, primary_key=True),
    Column("name", String, nullable=False),
    # Empty for ops, who belong to neither side.
    Column("delegation", String, nullable=False),
    Column("role", String, nullable=False),
    Column("active", Boolean, nullable=False),
)

# Apart from the accounts, so that reading those never touches what proves who somebody is.
SECRET: Final = Table(
    "secret",
    METADATA,
    Column("user_id", String, ForeignKey("account.user_id"), primary_key=True),
    Column("password_hash", String, nullable=False),
    Column("totp_secret", String, nullable=False),
)

CHANNEL: Final = Table(
    "channel",
    METADATA,
    Column("channel", String, primary_key=True),
    Column("title_ko", String, nullable=False),
    Column("title_en", String, nullable=False),
    Column("open_to_all", Boolean, nullable=False),
)

MEMBERSHIP: Final = Table(
    "membership",
    METADATA,
    Column("channel", String, ForeignKey("channel.channel"), nullable=False),
    Column("user_id", String, ForeignKey("account.user_id"), nullable=False),
    Column("can_write", Boolean, nullable=False),
    PrimaryKeyConstraint("channel", "user_id"),
)

# `digest` is the SHA-256 of the credential in hexadecimal; the credential itself is stored nowhere.
CREDENTIAL: Final = Table(
    "credential",
    METADATA,
    Column("digest", String(64), primary_key=True),
    Column("user_id", String, ForeignKey("account.user_id"), nullable=False),
    Column("kind", String, nullable=False),
    Column("label", String, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    # NULL until it is used for the first time.
    Column("last_used_ms", BigInteger),
    Index("ix_credential_user_id", "user_id"),
)

# One row; every change of accounts, channels, memberships or credentials raises it.
DIRECTORY_REVISION: Final = Table(
    "directory_revision",
    METADATA,
    Column("id", Integer, CheckConstraint("id = 1", name="one_row"), primary_key=True, autoincrement=False),
    Column("revision", BigInteger, nullable=False),
)

AUDIT: Final = Table(
    "audit",
    METADATA,
    Column("seq", _ROW_ID, primary_key=True, autoincrement=False),
    Column("time_ms", BigInteger, nullable=False),
    Column("actor", String, nullable=False),
    Column("action", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("detail", Text, nullable=False),
    Column("link", LargeBinary(32), nullable=False),
)
