"""The proxy of the fault tests does to connections what its methods say."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import psycopg
import pytest

from tests.postgres_server import PASSWORD, PostgresServer
from tests.tcp_proxy import TcpProxy


@pytest.fixture
def echo_port() -> Iterator[int]:
    """A server that says everything back."""
    listener = socket.create_server(("127.0.0.1", 0))

    def echo(connection: socket.socket) -> None:
        with connection, suppress(ConnectionResetError):
            while data := connection.recv(4096):
                connection.sendall(data)

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=echo, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    yield int(listener.getsockname()[1])
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(5)


@pytest.fixture
def proxy(echo_port: int) -> Iterator[TcpProxy]:
    with TcpProxy(echo_port) as opened:
        yield opened


def dial(proxy: TcpProxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=5)


def said_back(connection: socket.socket, data: bytes) -> bytes:
    connection.sendall(data)
    return connection.recv(len(data))


def test_what_is_said_comes_through_both_ways(proxy: TcpProxy) -> None:
    with dial(proxy) as one, dial(proxy) as two:
        assert said_back(one, b"one") == b"one"
        assert said_back(two, b"two") == b"two"
        assert proxy.connections == 2


def test_a_delay_holds_back_each_way(proxy: TcpProxy) -> None:
    with dial(proxy) as connection:
        said_back(connection, b"warm")
        proxy.delay(0.02)
        began_s = time.monotonic()
        assert said_back(connection, b"late") == b"late"
        assert time.monotonic() - began_s >= 0.04


def test_a_stalled_connection_stays_open_and_goes_on_later(proxy: TcpProxy) -> None:
    with dial(proxy) as connection:
        said_back(connection, b"warm")
        proxy.stall()
        connection.sendall(b"held")
        connection.settimeout(0.05)
        with pytest.raises(TimeoutError):
            connection.recv(4)
        proxy.flow()
        connection.settimeout(5)
        assert connection.recv(4) == b"held"


def test_a_reset_is_no_orderly_end(proxy: TcpProxy) -> None:
    with dial(proxy) as connection:
        said_back(connection, b"warm")
        assert proxy.reset() == 1
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
    with dial(proxy) as connection:
        assert said_back(connection, b"new") == b"new"


def test_refused_connections_are_reset_until_accepted_again(proxy: TcpProxy) -> None:
    proxy.refuse()
    # The reset may come before the connection is even there.
    with pytest.raises(ConnectionResetError), dial(proxy) as connection:
        connection.recv(1)
    proxy.accept()
    with dial(proxy) as connection:
        assert said_back(connection, b"new") == b"new"


def test_the_end_of_one_side_reaches_the_other_after_what_it_said(proxy: TcpProxy) -> None:
    with dial(proxy) as connection:
        connection.sendall(b"last words")
        connection.shutdown(socket.SHUT_WR)
        said = b""
        while data := connection.recv(100):
            said += data
        assert said == b"last words"


@pytest.mark.system
class TestLostReplies:
    def test_a_lost_reply_was_committed_and_only_so_many_are_lost(self, postgres_server: PostgresServer) -> None:
        postgres_server.execute("CREATE TABLE IF NOT EXISTS kept (n int)")
        with TcpProxy(postgres_server.port, is_postgres=True) as proxy:
            proxy.lose_commit_replies()
            with pytest.raises(psycopg.OperationalError), psycopg.connect(self.url(proxy)) as connection:
                connection.execute("INSERT INTO kept VALUES (1)")
            assert proxy.wait_for_lost_reply()
            with psycopg.connect(self.url(proxy)) as connection:
                connection.execute("INSERT INTO kept VALUES (2)")
            assert not proxy.wait_for_lost_reply(0)
        assert postgres_server.execute("SELECT n FROM kept ORDER BY n") == [(1,), (2,)]

    def url(self, proxy: TcpProxy) -> str:
        return f"host=127.0.0.1 port={proxy.port} user=postgres password='{PASSWORD}' dbname=postgres"
