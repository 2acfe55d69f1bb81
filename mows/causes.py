"""What a load spends its seconds on. Only names: whoever shows an explanation needs them."""

from __future__ import annotations

from enum import StrEnum


class Cause(StrEnum):
    """What a load spends its time on. The values are part of the REST interface."""

    ORIGIN = "origin"
    """Bytes came from the origin."""
    PEERS = "peers"
    """Bytes came from other nodes."""
    DISK = "disk"
    """Cache files were written, hashed and read."""
    FUSE = "fuse"
    """Requests and bytes went between the kernel and the daemon."""
    WAITING = "waiting"
    """Reads waited, and nothing was under way here: no slot was free, no peer had the bytes yet, or a pause ran."""
    READER = "reader"
    """No read was in hand: the program that reads did something else."""
