"""Waiting for what the daemon does: when a mount or prewarm is settled, how far it is, what its failure means."""

from __future__ import annotations

from collections.abc import Callable

from cli.api import Api
from cli.documents import ErrorPart, Mount, Prewarm
from cli.errors import Failure, NotMows
from cli.exit_codes import exit_code_of
from cli.progress import Sample

FIRST_WAIT_SECONDS = 1.0
"""How long the daemon holds the first answer back: most mounts are there by then, and no progress need be shown."""
SHOW_SECONDS = 0.5
"""How long it holds the further ones back: how often a progress bar moves."""

FINISHED = frozenset({"warm", "failed", "cancelled"})
"""The states a prewarm stays in."""


def settled(mount: Mount) -> bool:
    """Whether what was asked for has come true or has failed."""
    if mount["state"] == "mounted":
        return not mount["warm"] or mount["error"] is not None
    return mount["state"] in {"warm", "failed", "unmounting"}


def sample(work: Mount | Prewarm) -> Sample:
    """How far a mount or prewarm is."""
    counts = work["bytes"]
    return Sample(work["state"], counts["local"], counts["total"], work["eta_seconds"])


def failure(what: str, error: ErrorPart) -> Failure:
    """An error inside an answer, as the one this command ends with."""
    code = error["code"]
    return Failure(f"{what}: {error['message']}", code=code, exit_code=exit_code_of(code), hint=error["hint"])


def wait_for_mount(api: Api, mount: Mount, show: Callable[[Sample], None]) -> Mount:
    """The mount once it is settled; `show` is called with every state on the way there."""
    while not settled(mount):
        show(sample(mount))
        mount = api.mount(mount["id"], wait_seconds=SHOW_SECONDS)
    return mount


def wait_for_prewarm(api: Api, prewarm: Prewarm, show: Callable[[Sample], None]) -> Prewarm:
    """The prewarm once it is finished, by the daemon's event stream; asked for anew when a stream ends early."""
    while prewarm["state"] not in FINISHED:
        latest = None
        for latest in api.prewarm_events(prewarm["id"]):
            if latest["state"] not in FINISHED:
                show(sample(latest))
        if latest is None:
            raise NotMows("the daemon ended the stream of events without any", hint="look at the daemon's log")
        prewarm = latest
    return prewarm
