"""Which nodes a prewarm is for. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mows.errors import NoSuchNodes

ALL = "all"
ZONE = "zone="


@dataclass(frozen=True, slots=True)
class Member:
    """A node that lives."""

    node: str
    zone: str
    """Empty when it has none."""
    address: str
    """Where its peers reach it; empty for this node."""


def chosen(wish: str, members: Sequence[Member]) -> tuple[str, ...]:
    """The names of the nodes that ``all``, ``zone=NAME`` or ``A,B`` means now, each once. Raises NoSuchNodes."""
    known = [member.node for member in members]
    if wish == ALL:
        return tuple(sorted(set(known)))
    if wish.startswith(ZONE):
        zone = wish.removeprefix(ZONE)
        found = {member.node for member in members if member.zone == zone}
        if not found:
            raise NoSuchNodes(f"nodes {wish!r}: no node is in this zone; there are {_zones(members)}")
        return tuple(sorted(found))
    names = tuple(dict.fromkeys(name.strip() for name in wish.split(",")))
    if missing := [name for name in names if name not in known]:
        raise NoSuchNodes(f"nodes {wish!r}: {missing[0]!r} is not known here; known are {', '.join(sorted(known))}")
    return names


def _zones(members: Sequence[Member]) -> str:
    return ", ".join(sorted({member.zone or "nodes without one" for member in members}))
