"""Which frames a cut network loses: a classic BPF program for ``tc``. Pure.

Dropping at the switch is what a cut cable does: silence, so that whoever waits has to notice by itself. A route that
refuses would tell the sender at once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from ipaddress import IPv4Address

IPV4_DESTINATION = 30
"""Offset in an Ethernet frame."""

LOAD_WORD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
PASS, DROP = 0xFFFF_FFFF, 2
"""``TC_ACT_UNSPEC`` and ``TC_ACT_SHOT``."""


def drop_to(addresses: Sequence[str]) -> str:
    """The program that loses frames to these addresses, as ``tc ... bpf bytecode`` takes it."""
    count = len(addresses)
    program = [(LOAD_WORD, 0, 0, IPV4_DESTINATION)]
    program += [(JUMP_IF_EQUAL, count - place, 0, int(IPv4Address(to))) for place, to in enumerate(addresses)]
    program += [(RETURN, 0, 0, PASS), (RETURN, 0, 0, DROP)]
    return ",".join([str(len(program)), *(" ".join(map(str, step)) for step in program)])


def severed(groups: Iterable[Collection[int]]) -> Iterator[tuple[int, list[int]]]:
    """Each node and those it can no longer reach, when only nodes of one group reach each other."""
    known = [sorted(group) for group in groups]
    for group in known:
        others = [node for other in known if other is not group for node in other]
        yield from ((node, others) for node in group)
