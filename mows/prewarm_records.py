"""What must be known of a prewarm so that the next daemon can go on with it: ``<state_dir>/prewarms/<id>.json``.

A prewarm that had not ended is begun again under its id: what is in the cache already is not fetched again, and its
lease goes on from where it was. Of one that has ended the record says how, until it is forgotten. It outlives a start
of the machine, because a tier on a disk does, too. Blocking.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from mows.prewarm_spec import PrewarmSpec
from mows.prewarm_state import Order
from mows.record_files import RecordFiles


@dataclass(frozen=True, slots=True)
class PrewarmRecord:
    """One prewarm of this daemon or an earlier one."""

    prewarm_id: str
    spec: PrewarmSpec
    lease_until: float
    """Unix time."""
    paused: bool = False
    nodes: tuple[str, ...] | None = None
    """Of a prewarm of several nodes: theirs. None: it is of this node alone."""
    ended: Mapping[str, Any] | None = None
    """The last answer of one that has ended, as JSON; None: it had not."""
    ended_at: float | None = None
    """Unix time."""


class PrewarmRecords(RecordFiles[PrewarmRecord]):
    """Of all boots."""

    kind = "prewarm"
    left = "lease"

    def encode(self, record: PrewarmRecord) -> tuple[str, dict[str, Any]]:
        """See `RecordFiles.encode`."""
        fields = asdict(record)
        return fields.pop("prewarm_id"), fields

    def decode(self, record_id: str, document: dict[str, Any]) -> PrewarmRecord:
        """See `RecordFiles.decode`."""
        spec = document.pop("spec")
        sources, order, nodes = tuple(spec.pop("sources")), Order(spec.pop("order")), document.pop("nodes")
        return PrewarmRecord(
            prewarm_id=record_id,
            spec=PrewarmSpec(sources=sources, order=order, **spec),
            nodes=None if nodes is None else tuple(nodes),
            **document,
        )
