"""What every origin promises (`cachefs.ports.Origin`), checked over all of them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from cachefs.errors import (
    DeadlineExceeded,
    ObjectChanged,
    OriginDenied,
    OriginError,
    OriginNotFound,
    OriginUnavailable,
)
from cachefs.origin import CredentialSettings, OriginSettings, parse_source
from cachefs.origin.opening import open_origin
from cachefs.ports import PIECE_BYTES, Origin
from cachefs.types import ByteRange, Deadline, ObjectInfo
from tests.contract.origin_worlds import WORLDS, World, rclone_serving

BIG = random.Random(0).randbytes(3 * PIECE_BYTES + 12_345)
SMALL = b"{}\n"
LISTING = sorted(name for name in WORLDS if not name.startswith("web_"))


@pytest.fixture(params=WORLDS)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    with WORLDS[request.param](tmp_path) as world:
        yield world


@pytest.fixture(params=LISTING)
def listing(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    with WORLDS[request.param](tmp_path) as world:
        yield world


def soon() -> Deadline:
    return Deadline.after(30)


def put(world: World, name: str, data: bytes) -> ObjectInfo:
    key = world.prefix + world.spell(name)
    world.put(key, data)
    return world.origin.stat(key, soon())


def listed(world: World, prefix: str) -> list[ObjectInfo]:
    return [info for page in world.origin.list(prefix, soon()) for info in page]


def read(origin: Origin, info: ObjectInfo, start: int, stop: int) -> bytes:
    pieces = []
    for piece in origin.read(info, ByteRange(start, stop), soon()):
        assert 0 < len(piece) <= PIECE_BYTES
        pieces.append(bytes(piece))
    return b"".join(pieces)


def test_is_an_origin(world: World) -> None:
    assert isinstance(world.origin, Origin)


def test_lists_all_below_a_directory_and_nothing_else(listing: World) -> None:
    names = ["a.bin", "dir/b.bin", "dir/deeper/c.bin", "empty", "with blank+plus%41.txt", "größe.json"]
    for name in names:
        put(listing, name, SMALL if name != "empty" else b"")
    listing.put(f"{listing.prefix.removesuffix('/')}/dir-not/d", SMALL)
    assert {info.key for info in listed(listing, f"{listing.prefix}dir/")} == {
        f"{listing.prefix}dir/b.bin",
        f"{listing.prefix}dir/deeper/c.bin",
    }
    found = {info.key.removeprefix(listing.prefix): info for info in listed(listing, listing.prefix)}
    assert set(found) == {listing.spell(name) for name in [*names, "dir-not/d"]}
    assert found["empty"].size_bytes == 0
    assert found["a.bin"].size_bytes == len(SMALL)


def test_uri_is_that_of_the_source_and_the_name(world: World) -> None:
    assert put(world, "a.bin", SMALL).uri == f"{world.uri}a.bin"


def test_listing_and_stat_agree(listing: World) -> None:
    listing.put(f"{listing.prefix}a.bin", SMALL)
    (info,) = listed(listing, listing.prefix)
    assert replace(listing.origin.stat(info.key, soon()), crc64=None) == info
    assert info.version
    assert info.mtime_ns >= 0


def test_lists_one_whole_key(world: World) -> None:
    put(world, "a.bin", SMALL)
    put(world, "a.bin.index", SMALL)
    assert [info.key for info in listed(world, f"{world.prefix}a.bin")] == [f"{world.prefix}a.bin"]
    assert listed(world, f"{world.prefix}nothing") == []


def test_a_directory_that_is_not_there_has_no_objects(listing: World) -> None:
    try:
        found = listed(listing, f"{listing.prefix}nothing/")
    except OriginNotFound:
        return
    assert found == []


def test_stat_of_nothing(world: World) -> None:
    with pytest.raises(OriginNotFound, match=r"nothing\.bin"):
        world.origin.stat(f"{world.prefix}nothing.bin", soon())


@pytest.mark.parametrize(
    ("start", "stop"),
    [(0, len(BIG)), (0, 1), (len(BIG) - 1, len(BIG)), (17, PIECE_BYTES + 18), (PIECE_BYTES, 2 * PIECE_BYTES), (5, 5)],
)
def test_reads_exactly_the_range(world: World, start: int, stop: int) -> None:
    info = put(world, "big.bin", BIG)
    assert read(world.origin, info, start, stop) == BIG[start:stop]


def test_reads_odd_names(world: World) -> None:
    info = put(world, "with blank+plus%41 größe.txt", SMALL)
    assert read(world.origin, info, 0, len(SMALL)) == SMALL


def test_an_overwritten_object_is_not_read(world: World) -> None:
    old = put(world, "big.bin", BIG)
    new = put(world, "big.bin", BIG[::-1])
    assert new.version != old.version
    with pytest.raises(ObjectChanged, match=r"big\.bin"):
        read(world.origin, old, 0, len(BIG))
    assert read(world.origin, new, 0, 100) == BIG[::-1][:100]


def test_a_shrunk_object_is_not_read(world: World) -> None:
    old = put(world, "big.bin", BIG)
    put(world, "big.bin", SMALL)
    with pytest.raises(ObjectChanged):
        read(world.origin, old, len(BIG) - 10, len(BIG))


def test_a_removed_object_is_not_read(world: World) -> None:
    info = put(world, "big.bin", BIG)
    world.remove(info.key)
    with pytest.raises((OriginNotFound, ObjectChanged)):
        read(world.origin, info, 0, 10)


def test_nothing_starts_after_the_deadline(world: World) -> None:
    info = put(world, "big.bin", BIG)
    over = Deadline.after(-1)
    with pytest.raises(DeadlineExceeded):
        world.origin.stat(info.key, over)
    with pytest.raises(DeadlineExceeded):
        list(world.origin.read(info, ByteRange(0, 10), over))
    with pytest.raises(DeadlineExceeded):
        list(world.origin.list(info.key, over))


def test_many_threads_read_at_once(world: World) -> None:
    info = put(world, "big.bin", BIG)
    spans = [(start, min(start + 700_001, len(BIG))) for start in range(0, len(BIG), 700_001)] * 3
    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(lambda span: read(world.origin, info, *span), spans))
    assert results == [BIG[start:stop] for start, stop in spans]


def test_a_reader_may_stop_early(world: World) -> None:
    info = put(world, "big.bin", BIG)
    for _ in range(3):
        pieces = iter(world.origin.read(info, ByteRange(0, len(BIG)), soon()))
        assert len(next(pieces)) > 0
        close = getattr(pieces, "close", None)
        assert close is not None, "read must be a generator, so that the caller can end it"
        close()
    assert read(world.origin, info, 10, 20) == BIG[10:20]


@pytest.mark.parametrize("name", sorted(set(WORLDS) - {"memory"}))
def test_a_closed_origin_reads_no_more(name: str, tmp_path: Path) -> None:
    with WORLDS[name](tmp_path) as world:
        info = put(world, "big.bin", BIG)
        world.origin.close()
        with pytest.raises(OriginError):
            read(world.origin, info, 0, 10)


def test_s3_signatures_are_accepted_by_a_server_of_others(tmp_path: Path) -> None:
    (tmp_path / "models" / "m").mkdir(parents=True)
    (tmp_path / "models" / "m" / "config.json").write_bytes(SMALL)
    source = parse_source("s3://models/m")
    with rclone_serving("s3", str(tmp_path), "--auth-key", "AKIDEXAMPLE,correct-secret") as url:
        for secret, allowed in (("correct-secret", True), ("wrong-secret", False)):
            keys = CredentialSettings(provider="static", access_key_id="AKIDEXAMPLE", access_key_secret=secret)
            settings = OriginSettings(endpoint=url, region="us-east-1", credentials=keys)
            origin = open_origin(source, settings, state_dir=tmp_path)
            if allowed:
                assert [info.key for page in origin.list("m/", soon()) for info in page] == ["m/config.json"]
            else:
                with pytest.raises(OriginDenied, match="SignatureDoesNotMatch"):
                    list(origin.list("m/", soon()))
            origin.close()


def test_a_web_server_that_cannot_list_says_what_to_do(tmp_path: Path) -> None:
    with WORLDS["web_etag"](tmp_path) as world, pytest.raises(OriginError) as caught:
        listed(world, "m/")
    assert "WebDAV" in caught.value.hint


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    source = parse_source("http://127.0.0.1:1/model.gguf")
    origin = open_origin(source, OriginSettings(), state_dir=tmp_path)
    with pytest.raises(OriginUnavailable):
        origin.stat(source.prefix, soon())
    origin.close()
