"""The daemon's own surroundings: its configuration, its directories, and whether it answers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from cli.client import connect
from cli.doctor.finding import Finding, fail, ok, warn
from cli.endpoint import Endpoint
from cli.errors import CliError
from mows.api.peer_models import Peers
from mows.errors import KeeperUnavailable
from mows.keeping import Keeper

KEEPER_SECONDS = 2.0


def daemon(endpoint: Endpoint) -> Finding:
    """Whether a daemon answers at `endpoint`. That none does is no fault: a doctor also comes before a first start."""
    try:
        with connect(endpoint) as api:
            health = api.health()
    except CliError as error:
        return warn("daemon", f"{error} ({error.code})", error.hint)
    return ok("daemon", f"{health.node} (MoWS {health.version}) answers at {endpoint}")


def peers(endpoint: Endpoint) -> Peers | None:
    """What the daemon at `endpoint` says of its peers; None when none answers."""
    try:
        with connect(endpoint) as api:
            return api.peers()
    except CliError:
        return None


def keeper(path: Path | None) -> Finding:
    """Whether mounts outlive the daemon: a keeper answers at `path`."""
    if path is None:
        return warn(
            "keeper",
            "daemon.keeper is not set: mounts end with the daemon",
            "run one; see deploy/systemd/mows-keeper.service",
        )
    client = Keeper(path, timeout_seconds=KEEPER_SECONDS)
    try:
        held = client.names()
    except KeeperUnavailable as error:
        return fail("keeper", str(error), error.hint)
    finally:
        client.close()
    return ok("keeper", f"{path} answers and holds {len(held)} mounts")


def directories(state_dir: Path, socket: Path) -> Iterator[Finding]:
    """Whether the daemon can keep its state and put its socket where the configuration says."""
    yield writable("state directory", state_dir)
    yield writable("socket directory", socket.parent)


def writable(name: str, path: Path) -> Finding:
    """Whether this user may write in `path`, or create it."""
    nearest = next(parent for parent in (path, *path.parents) if parent.exists())
    if nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK):
        return ok(name, f"{path} is writable" if nearest == path else f"{path} can be created")
    return fail(name, f"{path}: {nearest} is not a directory this user may write to", "create it, or run as root")
