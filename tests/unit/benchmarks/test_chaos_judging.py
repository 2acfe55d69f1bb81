"""What is excused, and what never is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.chaos.judging import Excuse, Overwritten, judge
from benchmarks.chaos.reader import Trouble

TROUBLE = Trouble(
    kind="error", what="EIO", reader="read-1", node=1, call="read", name="a", version=0, offset=0,
    opened=5.0, began=10.0, ended=12.0,
)  # fmt: skip
GONE = Excuse(cause="origin_gone", errors=("EIO",), nodes=frozenset({0, 1}), since=11.0, until=20.0)
OVERWRITTEN = Overwritten(name="a", since=11.0, shown={1: 6.0})
STALE = replace(TROUBLE, what="ESTALE")


def test_an_error_with_an_excuse_is_counted_by_cause() -> None:
    verdict = judge([TROUBLE, STALE, STALE], [GONE, OVERWRITTEN])
    assert verdict.good
    assert verdict.excused == {("origin_gone", "EIO"): 1, ("overwritten", "ESTALE"): 2}


@pytest.mark.parametrize(
    "trouble",
    [
        replace(TROUBLE, what="EACCES"),
        replace(TROUBLE, node=2),
        replace(TROUBLE, ended=10.5),
        replace(TROUBLE, ended=20.5),
        replace(STALE, name="b"),
        replace(STALE, ended=10.5),
        replace(STALE, opened=6.5),
    ],
)
def test_another_errno_node_object_or_moment_is_not_excused(trouble: Trouble) -> None:
    verdict = judge([trouble], [GONE, OVERWRITTEN])
    assert verdict.unexcused == [trouble]
    assert not verdict.good


def test_a_node_that_does_not_show_the_next_version_yet_may_say_that_the_old_is_gone() -> None:
    assert judge([replace(STALE, opened=11.9)], [Overwritten(name="a", since=11.0, shown={})]).good


def test_stalls_are_sorted_and_count_only_while_the_source_is_there() -> None:
    waited = replace(TROUBLE, kind="stall", what="2.00 s")
    short, long = replace(waited, ended=30.0, began=28.0), replace(waited, ended=30.0, began=25.0)
    verdict = judge([short, waited, long], [GONE, OVERWRITTEN])
    assert verdict.stalls == [long, short]
    assert verdict.good


def test_wrong_bytes_have_no_excuse() -> None:
    wrong = replace(TROUBLE, kind="wrong")
    verdict = judge([wrong], [GONE])
    assert verdict.wrong == [wrong]
    assert not verdict.good
