"""Waiting for many daemons at once, cheaply: the sooner a node will be done, the more often it is asked."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.lab.fleet import Node
from benchmarks.node.errors import NodeError
from benchmarks.scaleout.reader import TooSlow

SHORTEST_SECONDS = 0.05
LONGEST_SECONDS = 1.0

State = Mapping[str, Any]
"""A mount or a prewarm, as the API shows it."""


class Failed(NodeError):
    """A mount or a prewarm ended with an error; the message is the daemon's."""


@dataclass(frozen=True, slots=True)
class Target:
    """What is waited for on one node."""

    node: Node
    state: Callable[[], State]


def mount_of(node: Node, mount_id: str) -> Target:
    """A mount of a node."""
    return Target(node, lambda: node.daemon.mount_state(mount_id))


def pause_seconds(elapsed_seconds: float, gained_percent: float, percent: float) -> float:
    """How long not to look at something that gained so much in that time, and is there now. Pure."""
    if gained_percent <= 0:
        return min(LONGEST_SECONDS, max(SHORTEST_SECONDS, elapsed_seconds))
    left_seconds = elapsed_seconds * (100 - percent) / gained_percent
    return min(LONGEST_SECONDS, max(SHORTEST_SECONDS, left_seconds / 3))


def wait_for(
    targets: Sequence[Target], reached: Callable[[State], bool], *, until_seconds: float, began_seconds: float
) -> dict[str, float]:
    """Seconds after `began_seconds` when each node reached it, by name. Failed, TooSlow, ChildFailed.

    Looks are at most a second apart, and a twentieth of a second when the end is near: that is how exact the answer is.
    """
    finished: dict[str, float] = {}
    started, first_percent = time.monotonic(), dict[int, float]()
    look_at = dict.fromkeys(range(len(targets)), started)
    while look_at:
        index, due = min(look_at.items(), key=lambda item: item[1])
        time.sleep(max(0.0, due - time.monotonic()))
        target, now = targets[index], time.monotonic()
        state = _look(target)
        if reached(state):
            finished[target.node.name] = now - began_seconds
            del look_at[index]
        elif now > until_seconds:
            waiting = ", ".join(targets[other].node.name for other in look_at)
            raise TooSlow(
                f"{waiting}: not done {now - began_seconds:.0f} s after the start; {target.node.name}: {state}"
            )
        else:
            percent = state["percent"] or 0.0
            gained = percent - first_percent.setdefault(index, percent)
            look_at[index] = now + pause_seconds(now - started, gained, percent)
    return finished


def _look(target: Target) -> State:
    if target.node.daemon.process.poll() is not None:
        raise target.node.daemon.failure("ended in the middle of the run")
    state = target.state()
    if state["state"] == "failed" or (state["state"] == "mounted" and state["error"]):
        raise Failed(f"{target.node.name}: {state['state']}, {state['error']}")
    return state


def is_warm(state: State) -> bool:
    """Whether everything is there."""
    return bool(state["state"] == "warm")


def is_readable(state: State) -> bool:
    """Whether a mount can be read."""
    return state["state"] in {"mounted", "warming", "warm"}


def has_percent(percent: float) -> Callable[[State], bool]:
    """Whether so much is there."""
    return lambda state: (state["percent"] or 0.0) >= percent
