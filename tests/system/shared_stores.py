"""What nodes and workers of one office share: a real PostgreSQL and a real Redis."""

from tests.postgres_server import PASSWORD, PostgresServer
from tests.redis_server import free_ports, shared_redis


def settings_of(postgres: PostgresServer) -> dict[str, str]:
    """Give the settings of an office of its own in both."""
    return {
        "LIAISON_OFFICE__ID": postgres.new_office(),
        "LIAISON_POSTGRES__URL": postgres.url(password=""),
        "LIAISON_POSTGRES__PASSWORD": PASSWORD,
        "LIAISON_REDIS__URL": f"redis://{shared_redis().address}",
    }


def settings_of_workers(postgres: PostgresServer, workers: int) -> dict[str, str]:
    """Give the settings of so many workers on one port; their metrics are on ports in a row."""
    return {
        **settings_of(postgres),
        "LIAISON_SERVER__WORKERS": str(workers),
        "LIAISON_SERVER__NODE": "node",
        "LIAISON_METRICS__PORT": str(free_ports(workers)),
    }
