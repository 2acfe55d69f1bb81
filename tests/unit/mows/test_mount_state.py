"""The table of a mount's states."""

from __future__ import annotations

import itertools

import pytest

from mows.mount_state import SERVING, SUCCESSORS, MountState, advance, is_live, is_settled


def test_every_state_has_a_row_and_every_state_but_the_first_can_be_reached() -> None:
    assert set(SUCCESSORS) == set(MountState)
    assert set(itertools.chain.from_iterable(SUCCESSORS.values())) == set(MountState) - {MountState.PENDING}


@pytest.mark.parametrize(("now", "following"), list(itertools.product(MountState, MountState)))
def test_only_what_the_table_says_can_follow(now: MountState, following: MountState) -> None:
    if following in SUCCESSORS[now]:
        assert advance(now, following) is following
    else:
        with pytest.raises(ValueError, match=f"cannot go from {now} to {following}"):
            advance(now, following)


def test_whatever_serves_can_be_unmounted() -> None:
    assert all(MountState.UNMOUNTING in SUCCESSORS[state] for state in SERVING)


def test_a_failed_mount_frees_its_id() -> None:
    assert [state for state in MountState if not is_live(state)] == [MountState.FAILED]


@pytest.mark.parametrize(
    ("state", "wants_warm", "has_error", "settled"),
    [
        (MountState.PENDING, False, False, False),
        (MountState.MOUNTING, False, False, False),
        (MountState.MOUNTED, False, False, True),
        (MountState.MOUNTED, True, False, False),
        (MountState.MOUNTED, True, True, True),
        (MountState.WARMING, True, False, False),
        (MountState.WARM, True, False, True),
        (MountState.FAILED, True, True, True),
        (MountState.UNMOUNTING, False, False, True),
    ],
)
def test_settled(state: MountState, *, wants_warm: bool, has_error: bool, settled: bool) -> None:
    assert is_settled(state, wants_warm=wants_warm, has_error=has_error) is settled
