"""How large a run is. Chosen so that three nodes keep evicting and fetching on two cores. Pure values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

MIB = 1 << 20
READ_DEADLINE_SECONDS = 25.0
"""`fetch.read_deadline` of the daemons: more than any fault but `ORIGIN_GONE` lasts, and what follows from it."""
GRACE_SECONDS = 10.0
"""What a busy machine may add to a deadline before the run is a failure."""
MOST_STALL_SECONDS = 2 * READ_DEADLINE_SECONDS + GRACE_SECONDS
"""A call of a reader that takes longer than this hangs: the deadline, and as long again for the daemon that follows."""

OBJECTS: Mapping[str, int] = MappingProxyType(
    {
        "model-00001.safetensors": 12 * MIB,
        "model-00002.safetensors": 12 * MIB,
        "model-00003.safetensors": 12 * MIB,
        "larger-than-memory.safetensors": 24 * MIB,
        "odd.bin": 3 * MIB + 4321,
        "config.json": 700,
    }
)
"""Name to size of version 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """What does not depend on the seed."""

    nodes: int = 3
    chunk_bytes: int = MIB // 4
    memory_bytes: int = 16 * MIB
    disk_bytes: int = 24 * MIB
    """Tiers; together less than the objects."""
    memory_room_bytes: int = 64 * MIB
    """The file system that the memory tier lies on."""
    link_bits_per_second: int = 400_000_000
    slow_link_bits_per_second: int = 40_000_000
    slow_origin_bytes_per_second: float = 6.0 * MIB
    reader_bytes_per_second: float = 3.0 * MIB
    keeper: bool = True
    """Whether each daemon has one. Without it a daemon that dies takes its mounts along."""

    def sections(self) -> Mapping[str, Mapping[str, object]]:
        """Keys of mows.yaml that all nodes have."""
        return {
            "fetch": {"read_deadline": READ_DEADLINE_SECONDS, "memory": 16 * MIB, "read_ahead": 8 * MIB},
            "mounts": {"refresh": 0},
            "fuse": {"threads": 2},
        }
