"""The command line: one file per command. Talks to the daemon only by its REST API.

Three commands reach further, because they have to work where no daemon runs: `daemon` and ``mount --foreground`` call
the composition root in `mows`, and `doctor` asks `cachefs` about this node. Nothing else here imports either.
"""

from cli.app import main

__all__ = ["main"]
