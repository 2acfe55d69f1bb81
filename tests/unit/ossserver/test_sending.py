"""How a body is cut for a fault."""

import pytest

from benchmarks.ossserver.faults import NO_EFFECT, Effect
from benchmarks.ossserver.sending import Cut, plan


@pytest.mark.parametrize(
    ("size", "effect", "cuts"),
    [
        (10, NO_EFFECT, [Cut(0, 10)]),
        (0, NO_EFFECT, []),
        (10, Effect(truncate_after_bytes=4), [Cut(0, 4)]),
        (10, Effect(reset_after_bytes=0), []),
        (10, Effect(reset_after_bytes=99), [Cut(0, 10)]),
        (10, Effect(flip_byte_at=3), [Cut(0, 3), Cut(3, 4, flipped=True), Cut(4, 10)]),
        (10, Effect(flip_byte_at=9), [Cut(0, 9), Cut(9, 10, flipped=True)]),
        (10, Effect(flip_byte_at=10), [Cut(0, 10)]),
        (10, Effect(stall_after_bytes=2, stall_seconds=5.0), [Cut(0, 2), Cut(2, 10, pause_seconds=5.0)]),
        (10, Effect(flip_byte_at=8, truncate_after_bytes=4), [Cut(0, 4)]),
    ],
)
def test_plan(size: int, effect: Effect, cuts: list[Cut]) -> None:
    assert plan(size, effect) == cuts
