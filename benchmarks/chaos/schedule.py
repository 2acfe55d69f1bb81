"""A schedule from a seed: a pure function, so that a seed that failed fails again."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from benchmarks.chaos.events import LANES, Event, Kind, Lane, Schedule

FIRST_SECONDS = 4.0
"""Readers have begun by then."""
LAST_SECONDS = 6.0
"""Before the end: the last event is over."""
GONE_SECONDS = 30.0
"""Longer than any read may wait (`settings.READ_DEADLINE_SECONDS`)."""
LEAST_SECONDS_FOR_GONE = 100.0

PAUSES: Mapping[Lane, tuple[float, float]] = MappingProxyType(
    {
        Lane.DAEMON: (5.0, 9.0),  # a daemon starts in about 2 s on a busy machine
        Lane.ORIGIN: (3.0, 7.0),
        Lane.NETWORK: (4.0, 8.0),
        Lane.CACHE: (2.0, 6.0),
        Lane.OPERATOR: (2.0, 5.0),
    }
)
"""From the end of an event to the next of its lane: at least, at most."""

STORE_WRITES = ("data_create", "data_write", "index_create", "index_hash", "index_bit", "meta_write", "meta_rename")
STORE_READS = ("data_open", "data_read", "index_open", "data_measure", "free_space", "touch", "condemn", "destroy")
PEER_CALLS = "peer.*"
TIER_ERRNOS = ("ENOSPC", "EIO", "EROFS")
STORMS = (500, 502, 503)


@dataclass(frozen=True, slots=True)
class _Draw:
    """What an event is drawn with."""

    chance: random.Random
    nodes: int
    objects: tuple[str, ...]
    liar: int | None

    def node(self) -> int:
        return self.chance.randrange(self.nodes)

    def seconds(self, least: float, most: float) -> float:
        return round(self.chance.uniform(least, most), 2)


def generate(
    seed: int, seconds: float, *, nodes: int, objects: tuple[str, ...], without: frozenset[Kind] = frozenset()
) -> Schedule:
    """The schedule of a seed. `without`: kinds that this run shall not have; the others stay as they are."""
    chance = random.Random(seed)
    redis, liar = chance.random() < 0.5, chance.randrange(nodes)
    draw = _Draw(chance, nodes, objects, liar)
    events = [event for lane in Lane for event in _lane(lane, seconds, draw)]
    if seconds >= LEAST_SECONDS_FOR_GONE:
        events = _with_origin_gone(events, seconds)
    known = [event for event in events if event.kind not in without and (redis or event.kind is not Kind.REDIS_KILLED)]
    return Schedule(
        seed=seed,
        seconds=seconds,
        redis=redis,
        liar=liar,
        events=sorted(known, key=lambda event: (event.at_seconds, event.kind)),
    )


def _lane(lane: Lane, seconds: float, draw: _Draw) -> list[Event]:
    events: list[Event] = []
    at = FIRST_SECONDS + draw.seconds(0, PAUSES[lane][1])
    while True:
        kind = draw.chance.choice(LANES[lane])
        event = _MAKERS[kind](round(at, 2), draw)
        if event.at_seconds + event.seconds > seconds - LAST_SECONDS:
            return events
        events.append(event)
        at = event.at_seconds + event.seconds + draw.seconds(*PAUSES[lane])


def _with_origin_gone(events: list[Event], seconds: float) -> list[Event]:
    """In the middle of a long run the origin is away for longer than readers wait; nothing else ails it then."""
    began = round(seconds / 2, 2)
    ended = began + GONE_SECONDS + PAUSES[Lane.ORIGIN][0]
    origins = LANES[Lane.ORIGIN]
    others = [
        event
        for event in events
        if event.kind not in origins or event.at_seconds + event.seconds < began or event.at_seconds > ended
    ]
    return [*others, Event(at_seconds=began, kind=Kind.ORIGIN_GONE, seconds=GONE_SECONDS)]


def _plain(kind: Kind, least: float = 0.0, most: float = 0.0, *, of_node: bool = False) -> Callable[..., Event]:
    def make(at: float, draw: _Draw) -> Event:
        seconds = draw.seconds(least, most) if most else 0.0
        return Event(at_seconds=at, kind=kind, seconds=seconds, node=draw.node() if of_node else None)

    return make


def _with(kind: Kind, least: float, most: float, details: Callable[[_Draw], Mapping[str, Any]]) -> Callable[..., Event]:
    def make(at: float, draw: _Draw) -> Event:
        return Event(at_seconds=at, kind=kind, seconds=draw.seconds(least, most), details=details(draw))

    return make


def _planned(
    kind: Kind, least: float, most: float, fault: Callable[[_Draw], Mapping[str, Any]]
) -> Callable[..., Event]:
    """An event that a daemon does to itself: its details are one fault of `cachefs.faults`."""

    def make(at: float, draw: _Draw) -> Event:
        return Event(at_seconds=at, kind=kind, seconds=draw.seconds(least, most), node=draw.node(), details=fault(draw))

    return make


def _store_fault(draw: _Draw) -> Mapping[str, Any]:
    chance = draw.chance
    label = f"store.{chance.choice(STORE_WRITES + STORE_READS)}"
    kind = chance.choice(("errno", "errno", "slow", "short"))
    if kind == "short":
        return {"label": chance.choice(("store.data_write", "store.data_read")), "kind": kind, "ratio": 0.5}
    if kind == "slow":
        return {"label": label, "kind": kind, "seconds": 0.05, "ratio": 0.3}
    ratio = chance.choice((0.05, 0.3, 1.0))
    return {"label": label, "kind": kind, "errno": chance.choice(TIER_ERRNOS), "ratio": ratio}


def _peer_fault(draw: _Draw) -> Mapping[str, Any]:
    if draw.chance.random() < 0.5:
        return {"label": PEER_CALLS, "kind": "slow", "seconds": 0.3, "ratio": 0.3}
    return {"label": PEER_CALLS, "kind": "errno", "errno": "ECONNRESET", "ratio": draw.chance.choice((0.1, 1.0))}


def _kill_at(draw: _Draw) -> Mapping[str, Any]:
    label = f"store.{draw.chance.choice(STORE_WRITES)}"
    return {"label": label, "kind": "kill", "times": 1, "skip": draw.chance.randrange(20)}


def _jump(draw: _Draw) -> Mapping[str, Any]:
    """Less than the 15 minutes from which on an origin refuses signatures."""
    return {"label": "clock", "kind": "jump", "seconds": draw.chance.choice((-600.0, -30.0, 30.0, 600.0))}


def _partition(draw: _Draw) -> Mapping[str, Any]:
    alone = draw.node()
    return {"groups": [[alone], [node for node in range(draw.nodes) if node != alone]]}


def _lies(at: float, draw: _Draw) -> Event:
    return Event(at_seconds=at, kind=Kind.LIES, seconds=draw.seconds(3, 8), node=draw.liar)


_MAKERS: Mapping[Kind, Callable[[float, _Draw], Event]] = MappingProxyType(
    {
        Kind.KILL: _plain(Kind.KILL, of_node=True),
        Kind.KILL_AT: _planned(Kind.KILL_AT, 3, 6, _kill_at),
        Kind.REPLACE: _plain(Kind.REPLACE, of_node=True),
        Kind.KEEPER_KILLED: _plain(Kind.KEEPER_KILLED, of_node=True),
        Kind.ORIGIN_ERRORS: _with(Kind.ORIGIN_ERRORS, 1, 4, lambda draw: {"status": draw.chance.choice(STORMS)}),
        Kind.ORIGIN_THROTTLES: _plain(Kind.ORIGIN_THROTTLES, 1, 4),
        Kind.ORIGIN_DENIES: _plain(Kind.ORIGIN_DENIES),
        Kind.ORIGIN_RESETS: _with(
            Kind.ORIGIN_RESETS, 1, 4, lambda draw: {"after_bytes": draw.chance.randrange(400_000)}
        ),
        Kind.ORIGIN_SHORT: _with(Kind.ORIGIN_SHORT, 1, 4, lambda draw: {"after_bytes": draw.chance.randrange(400_000)}),
        Kind.ORIGIN_RANGE: _plain(Kind.ORIGIN_RANGE, 1, 4),
        Kind.ORIGIN_STALLS: _with(
            Kind.ORIGIN_STALLS, 1, 4, lambda draw: {"after_bytes": draw.chance.randrange(400_000)}
        ),
        Kind.ORIGIN_SLOW: _plain(Kind.ORIGIN_SLOW, 2, 6),
        Kind.ORIGIN_REFUSES: _plain(Kind.ORIGIN_REFUSES, 1, 4),
        Kind.ORIGIN_UNPLUGGED: _plain(Kind.ORIGIN_UNPLUGGED, 1, 5),
        Kind.LINK_SLOW: _plain(Kind.LINK_SLOW, 2, 6, of_node=True),
        Kind.LINK_CUT: _plain(Kind.LINK_CUT, 1, 4, of_node=True),
        Kind.PARTITION: _with(Kind.PARTITION, 2, 6, _partition),
        Kind.LIES: _lies,
        Kind.REDIS_KILLED: _plain(Kind.REDIS_KILLED, 1, 6),
        Kind.STORE_FAULT: _planned(Kind.STORE_FAULT, 2, 6, _store_fault),
        Kind.TIER_GONE: _plain(Kind.TIER_GONE, 2, 6, of_node=True),
        Kind.PEER_FAULT: _planned(Kind.PEER_FAULT, 2, 5, _peer_fault),
        Kind.CLOCK_JUMP: _planned(Kind.CLOCK_JUMP, 2, 5, _jump),
        Kind.OVERWRITE: _with(Kind.OVERWRITE, 0, 0, lambda draw: {"name": draw.chance.choice(draw.objects)}),
        Kind.ROTATE: _plain(Kind.ROTATE),
        Kind.EVICT: _plain(Kind.EVICT, of_node=True),
        Kind.REFRESH: _plain(Kind.REFRESH),
    }
)
