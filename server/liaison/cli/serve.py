"""`liaison serve`."""

import json
import os
import sys
from pathlib import Path

import click

from liaison.cli.journal import set_up_journal
from liaison.cli.node import run_node
from liaison.cli.settings import config_option, data_option, json_option, read_config
from liaison.wiring import Running


@click.command()
@config_option
@data_option
@click.option("--host", help="The address to listen on. Default: server.host of the configuration.")
@click.option("--port", type=int, help="The port; 0 takes a free one. Default: server.port of the configuration.")
@json_option
def serve(*, config_file: Path | None, data: Path | None, host: str | None, port: int | None, as_json: bool) -> None:
    """Serve an office.

    Once it serves, its address is written to stdout (with --json as one JSON object on one line); the journal goes to
    stderr. SIGTERM or Ctrl-C ends it in good order, a second one at once.
    """
    config = read_config(config_file, data=data, server__host=host, server__port=port)
    set_up_journal(config.log)

    async def announce(running: Running) -> None:
        if as_json:
            line = json.dumps({"address": running.address, "node": running.office.node, "pid": os.getpid()})
        else:
            line = f"Serving {config.office.title_en} on {running.address} from {config.data_directory}"
        click.echo(line)

    sys.exit(run_node(config, announce))
