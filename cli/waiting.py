"""Waiting for what the daemon does: when a mount or prewarm is settled, how far it is, what its failure means."""

from __future__ import annotations

from collections.abc import Callable

from cli.errors import Failure
from cli.exit_codes import exit_code_of
from cli.progress import Sample
from mows.api import models
from mows.api.models import Mount
from mows.api.prewarm_models import Prewarm, PrewarmPart
from mows.client import Client, DaemonUnreachable, NotMows, Unavailable
from mows.mount_state import is_settled
from mows.prewarm_state import FINISHED

FIRST_WAIT_SECONDS = 1.0
"""How long the daemon holds the first answer back: most mounts are there by then, and no progress need be shown."""
SHOW_SECONDS = 0.5
"""How long it holds the further ones back: how often a progress bar moves."""


def settled(mount: Mount) -> bool:
    """Whether what was asked for has come true or has failed."""
    return is_settled(mount.state, wants_warm=mount.warm, has_error=mount.error is not None)


def sample(work: Mount | PrewarmPart) -> Sample:
    """How far a mount or prewarm is, with its nodes where there are several."""
    counts = work.bytes
    nodes = (work.nodes or ()) if isinstance(work, Prewarm) else ()
    parts = tuple((node.node, sample(node)) for node in nodes)
    return Sample(work.state, counts.local, counts.total, work.eta_seconds, parts)


def failure(what: str, error: models.Failure) -> Failure:
    """An error inside an answer, as the one this command ends with."""
    code = error.code
    return Failure(f"{what}: {error.message}", code=code, exit_code=exit_code_of(code), hint=error.hint)


def wait_for_mount(api: Client, mount: Mount, show: Callable[[Sample], None]) -> Mount:
    """The mount once it is settled; `show` is called with every state on the way there."""
    while not settled(mount):
        show(sample(mount))
        mount = api.mount(mount.id, wait_seconds=SHOW_SECONDS)
    return mount


def wait_for_prewarm(api: Client, prewarm: Prewarm, show: Callable[[Sample], None]) -> Prewarm:
    """The prewarm once it is finished, by the daemon's event stream; asked for anew when a stream ends early."""
    while prewarm.state not in FINISHED:
        prewarm = _followed(api, prewarm.id, show)
    return prewarm


def _followed(api: Client, prewarm_id: str, show: Callable[[Sample], None]) -> Prewarm:
    """What the stream told last; where it broke off, what the daemon, or the next one, says instead."""
    latest = None
    try:
        for latest in api.prewarm_events(prewarm_id):
            if latest.state not in FINISHED:
                show(sample(latest))
    except (DaemonUnreachable, Unavailable):
        return api.prewarm(prewarm_id)
    if latest is None:
        raise NotMows("the daemon ended the stream of events without any", hint="look at the daemon's log")
    return latest
