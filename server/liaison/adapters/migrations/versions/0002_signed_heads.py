"""An index of signed heads."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Index the entries that hold signatures, and no others."""
    where = sa.text("kind = 'signed_head'")
    op.create_index(
        "ix_message_signed_head", "message", ["channel_number", "seq"], sqlite_where=where, postgresql_where=where
    )
