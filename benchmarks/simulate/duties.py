"""Everybody's origin duty at once. The same as `peer.policy.duty.duty` for each node, which a test compares.

A node works its duty out from the scores that all nodes give each chunk. Each of 1,000 nodes would compute the same
million scores here; so they are computed once, with the daemon's own function.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
from numpy.typing import NDArray

from cachefs.types import BlobId
from peer.policy.duty import Duty, scores
from peer.values import PeerId


class Duties:
    """The duties in one blob as members come and go. Scores are computed once for each node."""

    def __init__(self, blob: BlobId, chunk_count: int) -> None:
        self._blob = blob
        self._chunk_count = chunk_count
        self._scores: dict[PeerId, NDArray[np.int64]] = {}

    def among(self, nodes: Collection[PeerId]) -> Mapping[PeerId, Duty]:
        """The part of each of `nodes`, of which there is at least one."""
        ascending = sorted(nodes)
        table = np.stack([self._scores_of(node) for node in ascending])
        chunks = np.arange(self._chunk_count)
        first = _winners(table)
        table[first, chunks] = -1
        second = _winners(table) if len(ascending) > 1 else np.full(self._chunk_count, -1)
        return {
            node: Duty(first=_bits(first == row), second=_bits(second == row)) for row, node in enumerate(ascending)
        }

    def _scores_of(self, node: PeerId) -> NDArray[np.int64]:
        if node not in self._scores:
            self._scores[node] = np.array(scores(node, self._blob, self._chunk_count), dtype=np.int64)
        return self._scores[node]


def _winners(table: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each column the row of the highest score; the last where several are equal."""
    result: NDArray[np.int64] = len(table) - 1 - table[::-1].argmax(axis=0)
    return result


def _bits(members: NDArray[np.bool_]) -> int:
    return int.from_bytes(np.packbits(members, bitorder="little").tobytes(), "little")
