"""The store's pure functions, over all values."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cachefs.store.crc64 import combine, crc64
from cachefs.store.meta import Meta
from cachefs.store.placement import Candidate, TierRoom, choose_victims, preference
from cachefs.types import BlobId, BlobKey

rooms = st.builds(
    TierRoom,
    capacity_bytes=st.integers(1, 200),
    room_bytes=st.integers(-50, 200),
    evictable_bytes=st.integers(0, 200),
)
candidates = st.lists(
    st.builds(
        Candidate,
        st.integers().map(lambda n: BlobId(f"{n:032x}")),
        st.integers(1, 50),
        st.floats(0, 10).map(lambda when: 60 * when),
    ),
    unique_by=lambda candidate: candidate.blob_id,
    max_size=8,
)


@given(st.lists(st.binary(max_size=300), max_size=6))
def test_combined_crc_is_that_of_the_whole(parts: list[bytes]) -> None:
    assert combine((crc64(part), len(part)) for part in parts) == crc64(b"".join(parts))


@given(st.integers(1, 200), st.lists(rooms, max_size=4))
def test_a_preferred_tier_is_never_worse_than_the_next(need: int, tiers: list[TierRoom]) -> None:
    order = preference(need, tiers)
    assert sorted(order) == list(range(len(tiers)))
    chosen = [tiers[index] for index in order]
    obtainable = [room.room_bytes + room.evictable_bytes for room in chosen]
    fits_now = [need <= min(room.room_bytes, room.capacity_bytes) for room in chosen]
    fits_after = [need <= min(most, room.capacity_bytes) for most, room in zip(obtainable, chosen, strict=True)]
    partial = [max(0, most) for most, fits in zip(obtainable, fits_after, strict=True) if not fits]
    assert partial == sorted(partial, reverse=True)
    assert fits_now == sorted(fits_now, reverse=True)
    assert fits_after == sorted(fits_after, reverse=True)


@given(candidates, st.integers(-10, 300))
def test_victims_suffice_and_none_is_needless_or_warmer_than_a_survivor(blobs: list[Candidate], need: int) -> None:
    by_id = {blob.blob_id: blob for blob in blobs}
    victims = [by_id[blob_id] for blob_id in choose_victims(blobs, need)]
    survivors = [blob for blob in blobs if blob not in victims]
    if victims:
        assert sum(blob.allocated_bytes for blob in victims) >= need or not survivors
        assert sum(blob.allocated_bytes for blob in victims[:-1]) < need
        assert all(victim.last_used // 60 <= survivor.last_used // 60 for victim in victims for survivor in survivors)
    else:
        assert need <= 0 or not blobs


@given(st.text(), st.text(), st.integers(0), st.integers(1), st.text(), st.none() | st.integers(0, 2**64 - 1))
def test_meta_reads_what_it_wrote(uri: str, version: str, size: int, chunk: int, boot: str, crc: int | None) -> None:
    meta = Meta(BlobKey(uri, version, size, chunk), boot, crc)
    assert Meta.decode(meta.encode()) == meta
