"""What can go wrong, as values: an event, and a schedule of them that can be saved and played again. Pure.

Each kind belongs to a lane. Events of one lane follow each other, with a pause for whatever they broke to get well;
events of different lanes overlap. So no two of them can together take a read's data away for longer than its deadline.
The one kind that does so by itself, `ORIGIN_GONE`, says it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any


class Lane(StrEnum):
    """Who suffers."""

    DAEMON = "daemon"
    ORIGIN = "origin"
    NETWORK = "network"
    CACHE = "cache"
    OPERATOR = "operator"


class Kind(StrEnum):
    """What happens."""

    KILL = "kill"
    KILL_AT = "kill_at"
    REPLACE = "replace"
    KEEPER_KILLED = "keeper_killed"
    ORIGIN_ERRORS = "origin_errors"
    ORIGIN_THROTTLES = "origin_throttles"
    ORIGIN_DENIES = "origin_denies"
    ORIGIN_RESETS = "origin_resets"
    ORIGIN_SHORT = "origin_short"
    ORIGIN_RANGE = "origin_range"
    ORIGIN_STALLS = "origin_stalls"
    ORIGIN_SLOW = "origin_slow"
    ORIGIN_REFUSES = "origin_refuses"
    ORIGIN_UNPLUGGED = "origin_unplugged"
    ORIGIN_GONE = "origin_gone"
    LINK_SLOW = "link_slow"
    LINK_CUT = "link_cut"
    PARTITION = "partition"
    LIES = "lies"
    REDIS_KILLED = "redis_killed"
    STORE_FAULT = "store_fault"
    TIER_GONE = "tier_gone"
    PEER_FAULT = "peer_fault"
    CLOCK_JUMP = "clock_jump"
    OVERWRITE = "overwrite"
    ROTATE = "rotate"
    EVICT = "evict"
    REFRESH = "refresh"


LANES: Mapping[Lane, tuple[Kind, ...]] = MappingProxyType(
    {
        Lane.DAEMON: (Kind.KILL, Kind.KILL, Kind.KILL_AT, Kind.REPLACE, Kind.KEEPER_KILLED),
        Lane.ORIGIN: (
            Kind.ORIGIN_ERRORS, Kind.ORIGIN_THROTTLES, Kind.ORIGIN_DENIES, Kind.ORIGIN_RESETS, Kind.ORIGIN_SHORT,
            Kind.ORIGIN_RANGE, Kind.ORIGIN_STALLS, Kind.ORIGIN_SLOW, Kind.ORIGIN_REFUSES, Kind.ORIGIN_UNPLUGGED,
        ),
        Lane.NETWORK: (Kind.LINK_SLOW, Kind.LINK_CUT, Kind.PARTITION, Kind.LIES, Kind.REDIS_KILLED),
        Lane.CACHE: (Kind.STORE_FAULT, Kind.STORE_FAULT, Kind.TIER_GONE, Kind.PEER_FAULT, Kind.CLOCK_JUMP),
        Lane.OPERATOR: (Kind.OVERWRITE, Kind.OVERWRITE, Kind.ROTATE, Kind.EVICT, Kind.REFRESH),
    }
)  # fmt: skip
"""What a lane draws from; what stands there twice comes twice as often."""

EXCUSES: Mapping[Kind, tuple[str, ...]] = MappingProxyType({Kind.ORIGIN_GONE: ("EIO", "EFAULT")})
"""The errors of readers on all nodes that a kind excuses. EFAULT is SIGBUS (`access.Mapped`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happens, `at_seconds` after the readers have begun, and lasts `seconds`."""

    at_seconds: float
    kind: Kind
    seconds: float = 0.0
    node: int | None = None
    """Whom it happens to; None: everybody, or nobody in particular."""
    details: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        where = "" if self.node is None else f" node-{self.node}"
        lasts = f" for {self.seconds:.1f} s" if self.seconds else ""
        details = "".join(f" {key}={value}" for key, value in self.details.items())
        return f"{self.at_seconds:7.2f} s  {self.kind}{where}{lasts}{details}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A whole run, before it happens."""

    seed: int
    seconds: float
    redis: bool
    """Whether nodes find each other by Redis, or by a list."""
    liar: int | None
    """The node in front of which stands a relay that can flip bits."""
    events: Sequence[Event]

    def dumps(self) -> str:
        """As JSON."""
        return json.dumps(asdict(self), indent=1) + "\n"


def loads(text: str) -> Schedule:
    """What `Schedule.dumps` wrote, by hand shortened perhaps. ValueError, TypeError or KeyError for anything else."""
    document = json.loads(text)
    events = [Event(**{**event, "kind": Kind(event["kind"])}) for event in document.pop("events")]
    return Schedule(**document, events=sorted(events, key=lambda event: event.at_seconds))
