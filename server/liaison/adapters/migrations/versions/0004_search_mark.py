"""How far the search index goes: entries after the mark are in it later, many at a time (see sql_search.py)."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Create the mark at the newest entry, for so far everything is indexed. PostgreSQL's index is never behind."""
    if op.get_bind().dialect.name == "sqlite":
        op.execute("CREATE TABLE search_mark (moment INTEGER NOT NULL)")
        op.execute("INSERT INTO search_mark (moment) SELECT coalesce(max(moment), 0) FROM message")
