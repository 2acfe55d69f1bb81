"""Multipart uploads."""

from pathlib import Path

import pytest

from benchmarks.ossserver.digests import digest_bytes
from benchmarks.ossserver.errors import OssError
from benchmarks.ossserver.uploads import MIN_PART_BYTES, Upload, Uploads, choose_parts

FULL = bytes(MIN_PART_BYTES)


class World:
    """Uploads whose files are numbered."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.count = 0
        self.uploads = Uploads(self.new_path, lambda: 0.0)
        self.upload = self.uploads.initiate("b", "k", {}, "Standard")

    def new_path(self) -> Path:
        self.count += 1
        return self.root / str(self.count)

    def part(self, number: int, data: bytes) -> str:
        path = self.new_path()
        path.write_bytes(data)
        digest = digest_bytes(data)
        self.uploads.add_part(self.upload, number, path, digest)
        return digest.etag


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def refusal(upload: Upload, wanted: list[tuple[int, str]]) -> str:
    with pytest.raises(OssError) as caught:
        choose_parts(upload, wanted)
    return caught.value.code


def test_parts_are_joined_in_order(world: World) -> None:
    second, first = world.part(2, b"tail"), world.part(1, FULL)
    draft = world.uploads.complete(world.upload, [(1, first), (2, f'"{second.lower()}"')])
    assert draft.path.read_bytes() == FULL + b"tail"
    assert draft.crc64 == digest_bytes(FULL + b"tail").crc64
    assert draft.etag.endswith("-2")
    assert list(world.root.iterdir()) == [draft.path]
    with pytest.raises(OssError, match="NoSuchUpload"):
        world.uploads.get(world.upload.upload_id, "b", "k")


def test_a_part_sent_again_replaces_the_first(world: World) -> None:
    world.part(1, b"first")
    etag = world.part(1, b"again")
    assert world.uploads.complete(world.upload, [(1, etag)]).path.read_bytes() == b"again"


def test_what_cannot_be_completed(world: World) -> None:
    small, other = world.part(1, b"small"), world.part(2, b"other")
    assert refusal(world.upload, []) == "InvalidPartOrder"
    assert refusal(world.upload, [(2, other), (1, small)]) == "InvalidPartOrder"
    assert refusal(world.upload, [(1, other)]) == "InvalidPart"
    assert refusal(world.upload, [(3, other)]) == "InvalidPart"
    assert refusal(world.upload, [(1, small), (2, other)]) == "EntityTooSmall"


def test_an_upload_belongs_to_its_key(world: World) -> None:
    with pytest.raises(OssError, match="NoSuchUpload"):
        world.uploads.get(world.upload.upload_id, "b", "another")


def test_abort_leaves_nothing(world: World) -> None:
    world.part(1, b"x")
    world.uploads.abort(world.upload)
    assert list(world.root.iterdir()) == []
    assert world.uploads.of_bucket("b", "") == []
