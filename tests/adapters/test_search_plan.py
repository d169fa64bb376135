"""A search looks at what the index has not yet, and at no more of the log than that, however long it is."""

from liaison.adapters import sql_search
from liaison.adapters.sql_engine import connect, migrate
from liaison.adapters.sql_writer import driver_of


def test_what_is_not_indexed_yet_is_found_by_its_place_and_not_by_going_through_its_channel() -> None:
    connection = connect(None)
    migrate(connection, None)
    rows = driver_of(connection).execute(f"EXPLAIN QUERY PLAN {sql_search._FIND_LATE}", (1 << 62, "[1]"))
    plan = [row[3] for row in rows]
    assert plan[0] == "SEARCH message USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"
    assert not [step for step in plan if "TEMP B-TREE" in step]
    connection.engine.dispose()
