"""How long an instance will take: as long as the slowest of its mounts, by rates that were measured."""

from __future__ import annotations

import dataclasses

import pytest

from cachefs.errors import NoSpace
from mows.instance_eta import eta_seconds, is_up
from mows.mount import MountStatus
from mows.mount_spec import MountSpec
from mows.mount_state import MountState
from mows.progress import ByteCounts


def status(
    state: MountState, *, warm: bool = True, missing: int = 100, eta: float | None = None, source: str = "oss://b-1/m/"
) -> MountStatus:
    listed = None if state in {MountState.PENDING, MountState.MOUNTING} else "snapshot"
    counts = ByteCounts(total=1000, local=1000 - missing)
    return MountStatus("i.0", MountSpec(source, "/a", warm), state, listed, 1, 0, counts, eta, None, None, None)


def rate_of(authority: str) -> float | None:
    return {"oss://b-1": 10.0}.get(authority)


@pytest.mark.parametrize(
    ("mounts", "seconds"),
    [
        ([], 0.0),
        ([status(MountState.WARM)], 0.0),
        ([status(MountState.MOUNTED, warm=False)], 0.0),
        ([status(MountState.WARMING, eta=4.0), status(MountState.WARMING, eta=7.0)], 7.0),
        ([status(MountState.WARMING)], 10.0),  # nothing landed yet: the last rate from there
        ([status(MountState.MOUNTED), status(MountState.WARM)], 10.0),
        ([status(MountState.WARMING, source="oss://b-2/m/")], None),  # never measured
        ([status(MountState.MOUNTING), status(MountState.WARMING, eta=4.0)], None),  # not listed yet
    ],
)
def test_the_slowest_counts(mounts: list[MountStatus], seconds: float | None) -> None:
    assert eta_seconds(mounts, rate_of) == seconds


def test_what_cannot_be_warmed_has_no_end() -> None:
    stuck = dataclasses.replace(status(MountState.MOUNTED), error=NoSpace("full"))
    assert eta_seconds([stuck], rate_of) is None


@pytest.mark.parametrize("state", MountState)
def test_what_counts_as_up(state: MountState) -> None:
    assert is_up(state, warm=True) == (state == "warm")
    assert is_up(state, warm=False) == (state in {"mounted", "warming", "warm"})
