"""Leases as values, and their file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachefs.types import BlobId
from mows.leases import Lease, Moment, all_held_until, held_until, load, save

NOW = Moment(monotonic=1000.0, wall=5000.0)
A, B, C = BlobId("a" * 32), BlobId("b" * 32), BlobId("c" * 32)


def test_the_last_lease_on_a_blob_counts() -> None:
    ends = held_until(
        [Lease("x", frozenset({A, B}), 10.0), Lease("y", frozenset({B}), 20.0), Lease("user", frozenset({C}), None)]
    )
    assert ends == {A: 10.0, B: 20.0, C: float("inf")}


def test_a_set_is_held_until_its_first_blob_is_let_go() -> None:
    ends = {A: 10.0, B: 20.0, C: float("inf")}
    assert all_held_until([A, B, C], ends) == 10.0
    assert all_held_until([C], ends) is None
    assert all_held_until([A, BlobId("d")], ends) is None
    assert all_held_until([], ends) is None


def test_a_lease_ends_at_its_moment_and_a_pin_never() -> None:
    lease = Lease("x", frozenset(), 10.0)
    assert [lease.has_ended(now) for now in (9.9, 10.0)] == [False, True]
    assert not Lease("user", frozenset(), None).has_ended(float("inf"))


@given(
    st.lists(
        st.builds(Lease, st.text(), st.frozensets(st.text().map(BlobId)), st.none(), st.none())
        | st.builds(
            Lease, st.text(), st.frozensets(st.text().map(BlobId)), st.integers(0, 2000), st.integers(1000, 5000)
        )
    )
)
def test_what_is_saved_is_loaded(tmp_path_factory: pytest.TempPathFactory, leases: list[Lease]) -> None:
    path = tmp_path_factory.mktemp("leases") / "leases.json"
    save(leases, path, NOW)
    assert load(path, NOW) == leases
    assert [entry.name for entry in path.parent.iterdir()] == ["leases.json"]


@pytest.mark.parametrize(
    ("later", "until"),
    [
        (Moment(monotonic=10.0, wall=5010.0), 60.0),  # another boot: 50 s are left
        (Moment(monotonic=1010.0, wall=5100.0), 970.0),  # the wall clock says that it has ended
        (Moment(monotonic=1010.0, wall=1.0), 1070.0),  # it says that there is an hour left, of a lease of a minute
    ],
)
def test_what_is_left_of_a_lease_is_no_more_than_it_was_given_for(tmp_path: Path, later: Moment, until: float) -> None:
    save([Lease("x", frozenset({A}), 1060.0, 60.0)], tmp_path / "leases.json", NOW)
    assert [lease.until for lease in load(tmp_path / "leases.json", later)] == [until]


def test_a_file_that_does_not_say_what_leases_were_given_for(tmp_path: Path) -> None:
    path = tmp_path / "leases.json"
    path.write_text('{"format": 1, "leases": [{"holder": "x", "blobs": [], "until": 5060.0}]}')
    assert load(path, NOW) == [Lease("x", frozenset(), 1060.0)]


def test_no_file_means_no_leases(tmp_path: Path) -> None:
    assert load(tmp_path / "none.json", NOW) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"format": 2, "leases": []}',
        '{"format": 1, "leases": [{"holder": "x"}]}',
        json.dumps({"format": 1, "leases": [7]}),
    ],
)
def test_a_file_that_is_not_ours(tmp_path: Path, text: str) -> None:
    path = tmp_path / "leases.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"."):
        load(path, NOW)
