"""What to start next: from wishes, marks and room to spans. Pure.

Wishes come in tiers, the most urgent first: waiting readers, then what they will read within moments, then the rest of
their files, then the files after those, then warm-ups. Within a tier everybody gets one span in turn. Where somebody
waits or soon will, a span is one chunk, because connections side by side bring the next bytes sooner than one
connection that brings them in order; elsewhere longer spans save requests.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from cachefs.fetch.flights import Mark, next_run
from cachefs.fetch.span import Client, SpanPlan
from cachefs.types import BlobId, Priority


@dataclass(frozen=True, slots=True)
class Wish:
    """Somebody wants the startable ones among `chunks` of `blob`."""

    blob: BlobId
    chunks: range
    priority: Priority
    most_chunks: int
    """The longest span."""
    cost_bytes: int
    """Memory that one span occupies."""
    client: Client
    ordered: bool = False
    """Whether the first chunk is wanted first: somebody waits for it, or will within moments."""


@dataclass(frozen=True, slots=True)
class Room:
    """What may be started now."""

    slots: int
    """Requests to the origin."""
    reader_slots: int
    """Further ones, only where a reader waits: it does not queue behind long spans."""
    verify_slots: int
    """Spans to verify; they need no origin."""
    memory_bytes: int

    def takes(self, priority: Priority) -> bool:
        """Whether a wish of this priority is worth a look."""
        return self.slots > 0 or self.verify_slots > 0 or (self.reader_slots > 0 and priority is Priority.READER)


def plan(tiers: Iterable[Sequence[Wish]], marks: Mapping[BlobId, bytes], room: Room) -> list[SpanPlan]:
    """The spans to start now, in this order. No chunk is in two of them."""
    left = {blob: bytearray(marked) for blob, marked in marks.items()}
    if not any(Mark.VERIFY in marked for marked in marks.values()):
        room = replace(room, verify_slots=0)
    spans: list[SpanPlan] = []
    for tier in tiers:
        turns = deque(tier)
        while turns:
            wish = turns.popleft()
            if not room.takes(wish.priority):
                continue
            span = _next_span(wish, left[wish.blob])
            after = span and _pay(room, span)
            if not span or not after:
                continue
            room = after
            spans.append(span)
            left[wish.blob][span.chunks.start : span.chunks.stop] = bytes(len(span.chunks))
            turns.append(replace(wish, chunks=range(span.chunks.stop, wish.chunks.stop)))
    return spans


def span_length(chunk_bytes: int, span_bytes: int, startable: int, slots: int) -> int:
    """How many chunks a span may have where nobody waits: short enough that all slots have work to the end."""
    fair_share = -(-startable // max(1, slots))
    return max(1, min(span_bytes // chunk_bytes, fair_share))


def memory_share(budget_bytes: int, own_bytes: int, others_bytes: int) -> int:
    """What one origin may still occupy: three quarters of what the others leave, so that a stuck one starves nobody."""
    return max(0, (budget_bytes - others_bytes) * 3 // 4 - own_bytes)


def _next_span(wish: Wish, marks: bytearray) -> SpanPlan | None:
    run = next_run(marks, wish.chunks)[: wish.most_chunks]
    if not run:
        return None
    verify = marks[run.start] == Mark.VERIFY
    return SpanPlan(wish.blob, run, wish.priority, verify, 0 if verify else wish.cost_bytes, wish.client)


def _pay(room: Room, span: SpanPlan) -> Room | None:
    """What is left after starting `span`, or None when it cannot be started."""
    if span.verify:
        return replace(room, verify_slots=room.verify_slots - 1) if room.verify_slots > 0 else None
    if span.cost_bytes > room.memory_bytes:
        return None
    memory_bytes = room.memory_bytes - span.cost_bytes
    if room.slots > 0:
        return replace(room, slots=room.slots - 1, memory_bytes=memory_bytes)
    if room.reader_slots > 0 and span.priority is Priority.READER:
        return replace(room, reader_slots=room.reader_slots - 1, memory_bytes=memory_bytes)
    return None
