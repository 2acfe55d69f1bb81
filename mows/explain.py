"""Where the seconds of a load went, and which one thing bound it. Pure.

Several reads are in hand at a time, so their times cannot simply be added up. What is shared out is the time in which
at least one read was in hand; each cause gets the share of it that it has in the times of all reads together. So the
seconds of all causes, with the readers' own, make up the load from its first read to its last answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from cachefs.fuse.statistics import FuseStatistics
from mows.causes import Cause
from mows.mount_state import SERVING, MountState
from mows.progress import ByteCounts

TOO_SHORT_SECONDS = 0.001
"""Nobody asks what bound a load of a millisecond."""


SENTENCES: Mapping[Cause, str] = MappingProxyType(
    {
        Cause.ORIGIN: "The origin bound it: for {share} of the time readers waited for its bytes. "
        "A prewarm before the start, or peers that have the model, take it out of the way.",
        Cause.PEERS: "The peers bound it: for {share} of the time readers waited for their bytes. "
        "See `mows peers` for a slow one, and compare with the node's network link.",
        Cause.DISK: "The cache's disk bound it: {share} of the time went into writing, checking and reading its files. "
        "A memory tier before the disk takes it out of the way.",
        Cause.FUSE: "The way through FUSE bound it: {share} of the time went between the kernel and the daemon. "
        "A file that is cached as a whole before it is opened is read by the kernel alone, where passthrough works.",
        Cause.WAITING: "Waiting bound it: for {share} of the time reads waited with nothing under way for them: "
        "all slots were taken, the peer whose turn it is had no bytes yet, or the pause after a failure ran.",
        Cause.READER: "The reader bound it: for {share} of the time it asked for nothing. MoWS was faster than that.",
    }
)

NOT_READ = "Nothing was read through the daemon yet."
KERNEL_ALONE = "The kernel read the cached files by itself, without the daemon: MoWS was not in the way."
NOT_MOUNTED = "It is not mounted, so nothing can be read."


@dataclass(frozen=True, slots=True)
class Explanation:
    """The load that runs, or the last one: reads with a pause of more than 10 s before them begin a new one."""

    elapsed_seconds: float
    """From the first read to the last answer; to now, while one is in hand."""
    seconds: Mapping[Cause, float]
    """What `elapsed_seconds` is made of."""
    bound_by: Cause | None
    """The largest of them. None: nothing was read through the daemon."""
    sentence: str
    bytes: ByteCounts
    """Of the mount, since it was mounted."""
    delivered_bytes: int
    """Handed to the kernel by the daemon since it was mounted."""
    passthrough_opens: int
    """Opens whose reads the kernel serves by itself. They are in no other number here."""


def explain(state: MountState, counts: ByteCounts, fuse: FuseStatistics | None) -> Explanation:
    """What is known of a mount's last load."""
    if fuse is None or state not in SERVING:
        return _without_load(NOT_MOUNTED, counts, None)
    load = fuse.load
    if load.elapsed_seconds < TOO_SHORT_SECONDS or load.read_seconds <= 0:
        return _without_load(KERNEL_ALONE if fuse.passthrough_opens else NOT_READ, counts, fuse)
    told = {
        Cause.ORIGIN: load.waited.origin,
        Cause.PEERS: load.waited.peers,
        Cause.DISK: load.waited.disk + load.file_seconds,
        Cause.WAITING: load.waited.queued,
    }
    all_seconds = max(load.read_seconds, sum(told.values()))
    shares = {**told, Cause.FUSE: all_seconds - sum(told.values())}
    seconds = {cause: load.busy_seconds * shares[cause] / all_seconds for cause in Cause if cause in shares}
    seconds[Cause.READER] = max(0.0, load.elapsed_seconds - load.busy_seconds)
    bound_by = max(seconds, key=lambda cause: seconds[cause])
    share = f"{seconds[bound_by] / load.elapsed_seconds:.0%}"
    return Explanation(
        load.elapsed_seconds,
        seconds,
        bound_by,
        SENTENCES[bound_by].format(share=share),
        counts,
        fuse.delivered_bytes,
        fuse.passthrough_opens,
    )


def _without_load(sentence: str, counts: ByteCounts, fuse: FuseStatistics | None) -> Explanation:
    delivered, opens = (0, 0) if fuse is None else (fuse.delivered_bytes, fuse.passthrough_opens)
    return Explanation(0.0, dict.fromkeys(Cause, 0.0), None, sentence, counts, delivered, opens)
