"""Array literals come out of a real server as what went in."""

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liaison.adapters.postgres_rows import blobs, flags, numbers, texts
from tests.postgres_server import PostgresServer

pytestmark = pytest.mark.system

# PostgreSQL's texts hold everything but this one, which no text of ours has either.
TEXTS = st.lists(st.none() | st.text(st.characters(codec="utf-8", exclude_characters="\0")), max_size=8)


def test_any_rows_survive_the_way_there_and_back(postgres_server: PostgresServer) -> None:
    with psycopg.connect(postgres_server.url()) as connection:

        @settings(max_examples=100)
        @given(TEXTS, st.lists(st.integers(-(2**63), 2**63 - 1)), st.lists(st.booleans()), st.lists(st.binary()))
        def check(words: list[str | None], whole: list[int], said: list[bool], raw: list[bytes]) -> None:
            row = connection.execute(
                "SELECT %s::text[], %s::bigint[], %s::boolean[], %s::bytea[]",
                (texts(words), numbers(whole), flags(said), blobs(raw)),
            ).fetchone()
            assert row == (words, whole, said, raw)

        check()


@pytest.mark.parametrize("word", ["NULL", "", "{}", '"', "\\", "\\x00", "a,b", " ", "가\n나"])
def test_what_means_something_in_a_literal_is_only_text(postgres_server: PostgresServer, word: str) -> None:
    with psycopg.connect(postgres_server.url()) as connection:
        assert connection.execute("SELECT %s::text[]", (texts([word, None]),)).fetchone() == ([word, None],)
