"""Leases as values, and their file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachefs.types import BlobId
from mows.leases import Lease, all_held_until, held_until, load, save

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


@given(st.lists(st.builds(Lease, st.text(), st.frozensets(st.text().map(BlobId)), st.none() | st.floats(0, 1e10))))
def test_what_is_saved_is_loaded(tmp_path_factory: pytest.TempPathFactory, leases: list[Lease]) -> None:
    path = tmp_path_factory.mktemp("leases") / "leases.json"
    save(leases, path)
    assert load(path) == leases
    assert [entry.name for entry in path.parent.iterdir()] == ["leases.json"]


def test_no_file_means_no_leases(tmp_path: Path) -> None:
    assert load(tmp_path / "none.json") == []


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
        load(path)
