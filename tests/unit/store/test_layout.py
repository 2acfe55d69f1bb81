"""The directory's shape, on a file system in memory."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyfakefs.fake_filesystem import FakeFilesystem

from cachefs.errors import FormatTooNew, InvalidTier
from cachefs.store.layout import FORMAT_VERSION, blob_directories, blob_paths, prepare
from cachefs.types import BlobId

TIER = Path("/tier")
BLOB = BlobId("ab" + "0" * 30)


def test_a_new_tier_is_marked_with_its_format(fs: FakeFilesystem) -> None:
    prepare(TIER / "deep" / "down")
    assert (TIER / "deep" / "down" / "FORMAT").read_text() == f"mows-cache {FORMAT_VERSION}\n"


def test_an_existing_tier_is_taken_as_it_is(fs: FakeFilesystem) -> None:
    prepare(TIER)
    (TIER / "blobs" / "stays").mkdir()
    prepare(TIER)
    assert (TIER / "blobs" / "stays").is_dir()


def test_a_newer_format_is_refused_with_both_numbers(fs: FakeFilesystem) -> None:
    fs.create_file(TIER / "FORMAT", contents="mows-cache 99\n")
    with pytest.raises(FormatTooNew, match=rf"/tier/FORMAT: format 99 is newer than {FORMAT_VERSION},") as caught:
        prepare(TIER)
    assert "upgrade" in caught.value.hint
    assert not (TIER / "blobs").exists()


@pytest.mark.parametrize("text", ["", "ollama\n", "mows-cache one\n", "mows-cache 1\nmore"])
def test_a_format_file_of_somebody_else_is_refused(fs: FakeFilesystem, text: str) -> None:
    fs.create_file(TIER / "FORMAT", contents=text)
    with pytest.raises(InvalidTier, match="no version of MoWS writes"):
        prepare(TIER)


def test_blobs_of_another_program_are_not_touched(fs: FakeFilesystem) -> None:
    fs.create_file(TIER / "blobs" / "sha256-1234")
    with pytest.raises(InvalidTier, match="may belong to another program"):
        prepare(TIER)
    assert (TIER / "blobs" / "sha256-1234").exists()


def test_paths_of_a_blob() -> None:
    paths = blob_paths(TIER, BLOB)
    assert paths.data == TIER / "blobs" / "ab" / BLOB / "data"
    assert paths.index.name == "index"
    assert paths.meta.name == "meta.json"
    assert paths.dead(7).name == f"{BLOB}.dead-7"


def test_directories_are_blobs_or_their_remains_or_not_ours(fs: FakeFilesystem) -> None:
    prepare(TIER)
    paths = blob_paths(TIER, BLOB)
    paths.directory.mkdir(parents=True)
    paths.dead(3).mkdir()
    for foreign in ("ab/notes", "ab/" + "c" * 32, "lost+found/x"):
        (TIER / "blobs" / foreign).mkdir(parents=True)
    assert list(blob_directories(TIER)) == [(BLOB, paths.directory), (None, paths.dead(3))]
