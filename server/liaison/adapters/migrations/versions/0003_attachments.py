"""Attachments: uploads, contents, and an index of the entries that name any.

Only adds: a node of the version before neither reads nor writes any of it, and appends as it did.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_MARK = "'\"attachments\":[{'"


def upgrade() -> None:
    """Create the tables, empty, and the index, which is empty as well."""
    op.create_index(
        "ix_message_attachments",
        "message",
        ["channel_number", "seq"],
        sqlite_where=sa.text(f"instr(data, {_MARK}) > 0"),
        postgresql_where=sa.text(f"strpos(data, {_MARK}) > 0"),
    )
    op.create_table(
        "upload",
        sa.Column("channel", sa.String, nullable=False),
        sa.Column("user_id", sa.String, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("delegation", sa.String, nullable=False),
        sa.Column("media_type", sa.String, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("time_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("channel", "user_id", "sha256", name="pk_upload"),
    )
    op.create_index("ix_upload_sha256", "upload", ["sha256"])
    op.create_table(
        "content",
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("kept_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("sha256", name="pk_content"),
    )
    op.create_table(
        "content_piece",
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("place", sa.Integer, nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("sha256", "place", name="pk_content_piece"),
    )
