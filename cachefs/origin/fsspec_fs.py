"""Any other file system that fsspec knows (``hf://``, ``hdfs://``, ``sftp://``, ...).

fsspec has neither conditional reads nor deadlines. So the version is looked up before the first read of a span and
after each, and the deadline is checked between calls: a file system that hangs is bounded only by its own timeouts,
which `options` may set. `cat_file` is called with keyword arguments because their order differs between
implementations.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from fsspec.core import url_to_fs

from cachefs.errors import (
    CacheError,
    InvalidSource,
    ObjectChanged,
    OriginDenied,
    OriginError,
    OriginNotFound,
    OriginProtocolError,
    OriginTimeout,
    OriginUnavailable,
    UnknownScheme,
)
from cachefs.origin.settings import OriginSettings
from cachefs.origin.uri import Source
from cachefs.ports import PIECE_BYTES
from cachefs.types import ByteRange, Deadline, ObjectInfo

CALL_BYTES = 8 << 20
"""What one `cat_file` is asked for: it returns that much memory at once."""
PAGE_OBJECTS = 1000
_TOKENS = ("ETag", "etag", "e_tag", "checksum", "sha256", "md5", "blob_id", "uid")
_TIMES = ("mtime", "LastModified", "last_modified", "Last-Modified", "modified", "updated", "created")


class FsspecOrigin:
    """See `cachefs.ports.Origin`. Thread-safe where the file system is; those fsspec ships are."""

    def __init__(self, authority: str, fs: Any, root: str) -> None:  # noqa: ANN401  # fsspec has no types
        self._authority = authority
        self._fs = fs
        self._root = root.rstrip("/")
        self._closed = False

    @property
    def authority(self) -> str:
        """``memory://name``, ``hf://organisation``."""
        return self._authority

    def list(self, prefix: str, deadline: Deadline) -> Iterator[Sequence[ObjectInfo]]:
        """See `Origin.list`. Costs one more call per object where listings describe less than `info` does."""
        what = f"list {self._authority}/{prefix}"
        if prefix and not prefix.endswith("/"):
            yield from self._list_one(prefix, deadline)
            return
        self._check(what, deadline)
        try:
            self._fs.invalidate_cache()
            found = self._fs.find(self._path(prefix), detail=True)
        except FileNotFoundError:
            return
        except Exception as error:  # noqa: BLE001  # file systems raise what they like
            raise _origin_error(what, error) from None
        described = self._described(what, sorted(found.items()), deadline)
        while page := list(islice(described, PAGE_OBJECTS)):
            yield page

    def stat(self, key: str, deadline: Deadline) -> ObjectInfo:
        """See `Origin.stat`."""
        what = f"stat {self._authority}/{key}"
        self._check(what, deadline)
        try:
            self._fs.invalidate_cache()
            details = self._fs.info(self._path(key))
        except Exception as error:  # noqa: BLE001  # file systems raise what they like
            raise _origin_error(what, error) from None
        if details.get("type") == "directory":
            raise OriginNotFound(f"{what}: a directory")
        return self._info(what, key, details)

    def read(self, info: ObjectInfo, span: ByteRange, deadline: Deadline) -> Iterator[memoryview]:
        """See `Origin.read`."""
        what = f"read {info.uri} [{span.start}, {span.stop})"
        self._check_version(what, info, deadline)
        for start in range(span.start, span.stop, CALL_BYTES):
            stop = min(start + CALL_BYTES, span.stop)
            try:
                data = self._fs.cat_file(self._path(info.key), start=start, end=stop)
            except Exception as error:  # noqa: BLE001  # file systems raise what they like
                raise _origin_error(what, error) from None
            self._check_version(what, info, deadline)
            if len(data) != stop - start:
                raise OriginProtocolError(f"{what}: {len(data)} bytes instead of {stop - start}")
            yield from _pieces(memoryview(data))

    def close(self) -> None:
        """See `Origin.close`. What connections there are, the file system closes with its last reference."""
        self._closed = True

    def _list_one(self, key: str, deadline: Deadline) -> Iterator[Sequence[ObjectInfo]]:
        try:
            yield [self.stat(key, deadline)]
        except OriginNotFound:
            return

    def _described(
        self, what: str, found: Sequence[tuple[str, Mapping[str, Any]]], deadline: Deadline
    ) -> Iterator[ObjectInfo]:
        """Describe what a listing found, from the listing if its first entry says the same as `stat` of it does."""
        complete = None
        for path, details in found:
            self._check(what, deadline)
            key = path.removeprefix(self._root).lstrip("/")
            if complete is None:
                complete = _version(details) is not None and self._info(what, key, details) == self.stat(key, deadline)
            yield self._info(what, key, details) if complete else self.stat(key, deadline)

    def _check_version(self, what: str, info: ObjectInfo, deadline: Deadline) -> None:
        now = self.stat(info.key, deadline)
        if (now.version, now.size_bytes) != (info.version, info.size_bytes):
            raise ObjectChanged(f"{what}: version {info.version} was replaced by {now.version}")

    def _check(self, what: str, deadline: Deadline) -> None:
        deadline.check(what)
        if self._closed:
            raise OriginUnavailable(f"{what}: closed")

    def _path(self, key: str) -> str:
        return f"{self._root}/{key}" if self._root else key

    def _info(self, what: str, key: str, details: Mapping[str, Any]) -> ObjectInfo:
        size, version = details.get("size"), _version(details)
        if size is None or version is None:
            missing = "size" if size is None else "ETag, checksum or time"
            raise OriginProtocolError(
                f"{what}: the file system gives no {missing} for {key}", hint="such files cannot be cached"
            )
        return ObjectInfo(f"{self._authority}/{key}", key, int(size), version, _nanoseconds(details))


def open_fsspec(source: Source, settings: OriginSettings) -> FsspecOrigin:
    """The file system of `source`. Raises UnknownScheme when its package is missing, InvalidSource for bad options."""
    options: dict[str, Any] = {"skip_instance_cache": True, "use_listings_cache": False, **settings.options}
    try:
        fs, root = url_to_fs(f"{source.authority}/", **options)
    except ImportError as error:
        raise UnknownScheme(f"{source.uri}: {error}", hint=f"install what it names next to MoWS: {error}") from None
    except Exception as error:  # noqa: BLE001  # constructors raise what they like
        raise InvalidSource(f"{source.uri}: {error}", hint="check `options` for this source under `origins`") from None
    return FsspecOrigin(source.authority, fs, root)


def _pieces(data: memoryview) -> Iterator[memoryview]:
    for start in range(0, len(data), PIECE_BYTES):
        yield data[start : start + PIECE_BYTES]


def _version(details: Mapping[str, Any]) -> str | None:
    """A change token: a checksum or ETag if there is one, else time and size. None when there is neither."""
    for name in _TOKENS:
        if value := details.get(name):
            return str(value)
    for name in _TIMES:
        if value := details.get(name):
            return f"{value}-{details.get('size')}"
    return None


def _nanoseconds(details: Mapping[str, Any]) -> int:
    """The modification time; 0 when there is none that can be understood."""
    for name in _TIMES:
        value = details.get(name)
        if isinstance(value, datetime):
            return int((value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp() * 1e9)
        if isinstance(value, (int, float)):
            return int(value * 1e9)
    return 0


def _origin_error(what: str, error: Exception) -> CacheError:
    message = f"{what}: {type(error).__name__}: {error}"
    kinds: Sequence[tuple[type[Exception], type[OriginError]]] = (
        (FileNotFoundError, OriginNotFound),
        (PermissionError, OriginDenied),
        (TimeoutError, OriginTimeout),
    )
    if isinstance(error, CacheError):
        return error
    return next((ours for theirs, ours in kinds if isinstance(error, theirs)), OriginUnavailable)(message)
