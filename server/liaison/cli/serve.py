"""`liaison serve`."""

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from liaison.cli.exits import Exit, Failure
from liaison.cli.journal import set_up_journal
from liaison.cli.node import run_node
from liaison.cli.settings import config_option, data_option, json_option, read_config
from liaison.cli.supervision import handed_sockets, tell_supervisor
from liaison.config import Config
from liaison.wiring import CannotStart, Running, shared_port


@click.command()
@config_option
@data_option
@click.option("--host", help="The address to listen on. Default: server.host of the configuration.")
@click.option("--port", type=int, help="The port; 0 takes a free one. Default: server.port of the configuration.")
@click.option("--workers", type=int, help="How many processes share the port. Default: server.workers.")
@click.option("--worker", is_flag=True, hidden=True, help="Be one of several, started and watched by their parent.")
@json_option
def serve(  # noqa: PLR0913 - one for each option
    *,
    config_file: Path | None,
    data: Path | None,
    host: str | None,
    port: int | None,
    workers: int | None,
    worker: bool,
    as_json: bool,
) -> None:
    """Serve an office.

    Once it serves, its address is written to stdout (with --json as one JSON object on one line); the journal goes to
    stderr. SIGTERM or Ctrl-C ends it in good order, a second one at once. With several workers SIGHUP restarts them
    one by one.
    """
    config = read_config(
        config_file,
        data=data,
        server__host=host,
        server__port=port,
        server__workers=workers,
        server__reuse_port=True if worker else None,
    )
    set_up_journal(config.log)
    handed = handed_sockets(os.environ)
    if config.server.workers > 1 and not worker:
        if handed:
            raise Failure(
                "one socket can't be handed to several workers; start several servers with server.reuse_port instead",
                Exit.CONFIG,
            )
        sys.exit(_serve_by_workers(config, config_file, as_json=as_json))

    async def announce(running: Running) -> None:
        if as_json:
            line = json.dumps({"address": running.address, "node": running.office.node, "pid": os.getpid()})
        else:
            line = f"Serving {config.office.title_en} on {running.address} from {config.storage}"
        click.echo(line)
        tell_supervisor(os.environ, "READY=1")

    sys.exit(run_node(config, announce, handed=handed, ends_with_stdin=worker))


def _serve_by_workers(config: Config, config_file: Path | None, *, as_json: bool) -> int:
    from liaison.cli.workers import Serving, run_workers

    def announce(serving: Sequence[Serving]) -> None:
        address = serving[0].address
        if as_json:
            told = {"address": address, "pid": os.getpid(), "workers": [asdict(worker) for worker in serving]}
            line = json.dumps(told)
        else:
            line = f"Serving {config.office.title_en} on {address} by {len(serving)} workers"
        click.echo(line)
        tell_supervisor(os.environ, "READY=1")

    try:
        with shared_port(config.server) as port:
            command = [sys.executable, "-m", "liaison", "serve", "--worker", "--json"]
            if config_file is not None:
                command += ["--config", str(config_file)]
            command += ["--data", str(config.data_directory), "--host", config.server.host, "--port", str(port)]
            return run_workers(config, command, announce)
    except CannotStart as error:
        raise Failure(str(error), Exit.UNAVAILABLE) from error
