"""meta.json."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from cachefs.errors import CorruptBlob
from cachefs.store.layout import BlobPaths, blob_paths
from cachefs.store.meta import Meta, read_boot_id, read_meta, write_meta
from cachefs.store.oscalls import Calls, Step
from cachefs.types import BlobKey
from tests.unit.store.world import FailingCalls

META = Meta(BlobKey("oss://b/\udcff/ä", 'etag"1"', 12345, 4096), "boot-1", 0x00FF00FF00FF00FF)


@pytest.fixture
def paths(tmp_path: Path) -> BlobPaths:
    paths = blob_paths(tmp_path, META.key.blob_id)
    paths.directory.mkdir(parents=True)
    return paths


def test_reads_what_it_wrote(paths: BlobPaths) -> None:
    write_meta(Calls(), paths, META)
    assert read_meta(Calls(), paths) == META
    assert not paths.meta_temporary.exists()


def test_an_unknown_crc_stays_unknown() -> None:
    meta = Meta(META.key, "boot-1", None)
    assert Meta.decode(meta.encode()) == meta


@pytest.mark.parametrize("step", [Step.META_WRITE, Step.META_RENAME])
def test_a_failed_write_leaves_the_old_one(paths: BlobPaths, step: Step) -> None:
    write_meta(Calls(), paths, META)
    with pytest.raises(OSError, match="No space"):
        write_meta(FailingCalls(step, errno.ENOSPC), paths, Meta(META.key, "boot-2", None))
    assert read_meta(Calls(), paths) == META


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\0" * 200,
        b"{",
        b"[]",
        b"{}",
        b"null",
        META.encode().replace(b"12345", b'"12345"'),
        META.encode().replace(b"12345", b"-1"),
        META.encode().replace(b"4096", b"0"),
        META.encode().replace(b'"boot-1"', b"7"),
        META.encode().replace(b"00ff00ff00ff00ff", b"crc"),
        b"\xff\xfe",
    ],
)
def test_garbage_is_a_corrupt_blob(paths: BlobPaths, text: bytes) -> None:
    paths.meta.write_bytes(text)
    with pytest.raises(CorruptBlob, match=r"meta\.json"):
        read_meta(Calls(), paths)


def test_the_meta_of_another_blob_is_a_corrupt_blob(paths: BlobPaths) -> None:
    other = BlobKey("oss://b/other", "1", 1, 4096)
    paths.meta.write_bytes(Meta(other, "boot-1", None).encode())
    with pytest.raises(CorruptBlob, match=other.blob_id):
        read_meta(Calls(), paths)


def test_boot_id_is_the_kernels() -> None:
    assert read_boot_id() == Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def test_without_a_boot_id_every_start_is_another_boot(tmp_path: Path) -> None:
    assert read_boot_id(tmp_path / "no") != read_boot_id(tmp_path / "no")
