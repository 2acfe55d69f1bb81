"""``python -m mows --config mows.yaml``: the daemon alone, as a service manager runs it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from cachefs.errors import CacheError
from mows import daemon


def main() -> int:
    """0 after a stop that was asked for, 2 when the daemon could not start, 3 when it could not stop in time.

    Returns only when it could not start.
    """
    parser = argparse.ArgumentParser(prog="python -m mows", description="Run the MoWS daemon.")
    parser.add_argument("--config", type=Path, required=True, help="path of mows.yaml")
    try:
        daemon.end_process(daemon.run(parser.parse_args().config))
    except CacheError as error:
        print(f"mows: {error}\n  hint: {error.hint}", file=sys.stderr)  # noqa: T201 the logs may not be set up yet
        return 2


if __name__ == "__main__":
    sys.exit(main())
