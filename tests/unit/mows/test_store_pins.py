"""Pins in a real store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cachefs.errors import NoSpace
from cachefs.origin.memory import MemoryOrigin
from cachefs.store import Store, TierSettings
from cachefs.types import BlobId, ObjectInfo
from mows.store_pins import StorePins


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store([TierSettings(tmp_path / "tier", 1 << 20)], chunk_bytes=4096)
    yield store
    store.close()


@pytest.fixture
def info() -> ObjectInfo:
    return MemoryOrigin().put("a", b"a")


def test_an_object_that_is_not_cached_yet_is_kept_from_the_start(store: Store, info: ObjectInfo) -> None:
    pins = StorePins(store)
    blob_id = pins.pin_object(info)
    status = store.find(info)
    assert status is not None
    assert (status.blob_id, status.pinned, status.references) == (blob_id, True, 0)
    assert not store.evict(blob_id)
    pins.unpin(blob_id)
    assert store.evict(blob_id)


def test_a_blob_that_is_gone(store: Store, info: ObjectInfo) -> None:
    pins = StorePins(store)
    assert not pins.pin(BlobId("f" * 32))
    pins.unpin(BlobId("f" * 32))
    assert pins.pin(pins.pin_object(info))


def test_objects_that_no_tier_can_hold_are_not_admitted(store: Store) -> None:
    with pytest.raises(NoSpace):
        StorePins(store).admit([MemoryOrigin().put("large", bytes(2 << 20))], "p")


def test_room_is_promised_until_it_is_given_back(store: Store) -> None:
    pins, origin = StorePins(store), MemoryOrigin()
    one, other = (origin.put(name, bytes(600 << 10)) for name in ("one", "other"))
    pins.admit([one], "p")
    with pytest.raises(NoSpace):
        pins.admit([other], "q")
    pins.dismiss("p")
    pins.admit([other], "q")
