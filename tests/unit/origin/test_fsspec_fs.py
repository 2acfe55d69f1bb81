"""File systems that describe their files in different words, or fail in their own ways."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cachefs.errors import (
    InvalidSource,
    OriginDenied,
    OriginError,
    OriginNotFound,
    OriginProtocolError,
    OriginTimeout,
    OriginUnavailable,
    UnknownScheme,
)
from cachefs.origin import OriginSettings, parse_source
from cachefs.origin.fsspec_fs import CALL_BYTES, FsspecOrigin
from cachefs.origin.opening import open_origin
from cachefs.ports import PIECE_BYTES
from cachefs.types import ByteRange, Deadline, ObjectInfo


@dataclass
class FakeFs:
    """The few methods that are used. `listed`: what `find` says of a file; `described`: what `info` says."""

    described: Mapping[str, Any]
    listed: Mapping[str, Any] = field(default_factory=dict)
    fault: Exception | None = None
    infos: int = 0
    asked: list[tuple[int, int]] = field(default_factory=list)
    missing: int = 0

    def invalidate_cache(self) -> None:
        if self.fault:
            raise self.fault

    def info(self, path: str) -> Mapping[str, Any]:
        self.infos += 1
        return {"name": path, **self.described}

    def find(self, path: str, *, detail: bool) -> dict[str, Mapping[str, Any]]:
        return {f"{path}{name}": {"name": f"{path}{name}", **self.listed} for name in "abc"}

    def cat_file(self, path: str, *, start: int, end: int) -> bytes:
        self.asked.append((start, end))
        return bytes(end - start - self.missing)


def soon() -> Deadline:
    return Deadline.after(30)


def origin_on(fs: FakeFs) -> FsspecOrigin:
    return FsspecOrigin("fake://host", fs, "/root/")


WHEN = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.mark.parametrize(
    ("described", "version", "mtime_ns"),
    [
        ({"size": 5, "ETag": '"x"', "mtime": 7.0}, '"x"', 7_000_000_000),
        ({"size": 5, "checksum": 12}, "12", 0),
        ({"size": 5, "LastModified": WHEN}, f"{WHEN}-5", int(WHEN.timestamp()) * 10**9),
        ({"size": 5, "modified": WHEN.replace(tzinfo=None)}, "2026-11-23 00:00:00-5", int(WHEN.timestamp()) * 10**9),
        ({"size": 5, "created": "yesterday"}, "yesterday-5", 0),
    ],
)
def test_descriptions(described: Mapping[str, Any], version: str, mtime_ns: int) -> None:
    info = origin_on(FakeFs(described)).stat("dir/k", soon())
    assert info == ObjectInfo("fake://host/dir/k", "dir/k", 5, version, mtime_ns)


@pytest.mark.parametrize("described", [{"size": 5}, {"ETag": "x"}, {"size": None, "ETag": "x"}])
def test_files_without_a_size_or_a_version_cannot_be_cached(described: Mapping[str, Any]) -> None:
    with pytest.raises(OriginProtocolError, match="gives no") as caught:
        origin_on(FakeFs(described)).stat("k", soon())
    assert "cannot be cached" in caught.value.hint


def test_a_listing_that_says_what_info_says_is_believed() -> None:
    fs = FakeFs({"size": 5, "ETag": "x"}, listed={"size": 5, "ETag": "x"})
    (page,) = origin_on(fs).list("dir/", soon())
    assert [info.key for info in page] == ["dir/a", "dir/b", "dir/c"]
    assert fs.infos == 1


@pytest.mark.parametrize("listed", [{"size": None}, {"size": 5, "mtime": 1.0}])
def test_a_listing_that_says_less_or_other_is_completed(listed: Mapping[str, Any]) -> None:
    fs = FakeFs({"size": 5, "ETag": "x"}, listed=listed)
    (page,) = origin_on(fs).list("dir/", soon())
    assert {info.version for info in page} == {"x"}


def test_a_long_span_is_read_in_calls_of_bounded_size() -> None:
    size = 2 * CALL_BYTES + 10
    fs = FakeFs({"size": size, "ETag": "x"})
    origin = origin_on(fs)
    pieces = [len(piece) for piece in origin.read(origin.stat("k", soon()), ByteRange(5, size), soon())]
    assert sum(pieces) == size - 5
    assert max(pieces) == PIECE_BYTES
    assert fs.asked == [(5, 5 + CALL_BYTES), (5 + CALL_BYTES, 5 + 2 * CALL_BYTES), (5 + 2 * CALL_BYTES, size)]


def test_fewer_bytes_than_asked_for() -> None:
    fs = FakeFs({"size": 100, "ETag": "x"}, missing=1)
    origin = origin_on(fs)
    with pytest.raises(OriginProtocolError, match="99 bytes instead of 100"):
        list(origin.read(origin.stat("k", soon()), ByteRange(0, 100), soon()))


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (FileNotFoundError("k"), OriginNotFound),
        (PermissionError("k"), OriginDenied),
        (TimeoutError("k"), OriginTimeout),
        (OSError("k"), OriginUnavailable),
        (RuntimeError("anything"), OriginUnavailable),
    ],
)
def test_errors(fault: Exception, kind: type[OriginError]) -> None:
    with pytest.raises(kind, match=type(fault).__name__):
        origin_on(FakeFs({}, fault=fault)).stat("k", soon())


def test_a_file_system_whose_package_is_missing(tmp_path: Path) -> None:
    with pytest.raises(UnknownScheme) as caught:
        open_origin(parse_source("wandb://project/run"), OriginSettings(), state_dir=tmp_path)
    assert "wandb" in caught.value.hint


def test_options_that_the_file_system_refuses(tmp_path: Path) -> None:
    with pytest.raises(InvalidSource, match="github") as caught:
        open_origin(parse_source("github://org/repo"), OriginSettings(options={"username": "x"}), state_dir=tmp_path)
    assert "options" in caught.value.hint
