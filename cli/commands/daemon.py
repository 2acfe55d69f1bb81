"""``mows daemon``: the daemon of this node, in the foreground, until SIGTERM."""

from __future__ import annotations

from pathlib import Path

import click

from cli.cache_errors import translated
from mows import daemon


@click.command("daemon", help="Run the daemon of this node.")
@click.option("--config", required=True, type=click.Path(path_type=Path), help="The configuration, mows.yaml.")
@click.option("--json", is_flag=True, expose_value=False, help="Print an error at the start as a JSON document.")
def command(config: Path) -> None:
    """SIGTERM or Ctrl-C stops it in order: no new work, unmount, close. Logs go to standard error."""
    with translated():
        code = daemon.run(config)
    daemon.end_process(code)
