"""S3, Google Cloud Storage, Azure and plain HTTP, through `obstore` (Rust; moves bytes with the GIL released).

The version is the ETag without its quotes, sent back as If-Match. Where a web server gives none, or only a weak one,
which never matches, the version is compared with what comes along with every answer instead; without an ETag it is
modification time and size.

`obstore` retries nothing for us, and bounds a whole request by the timeout that its client was made with, not by each
call's deadline: a call may overrun its deadline by up to that time when the server falls silent in the middle.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import obstore
from obstore import store as stores
from obstore.exceptions import BaseError, PermissionDeniedError, PreconditionError, UnauthenticatedError

from cachefs.errors import (
    InvalidSource,
    ObjectChanged,
    OriginDenied,
    OriginError,
    OriginNotFound,
    OriginProtocolError,
    OriginThrottled,
    OriginTimeout,
    OriginUnavailable,
)
from cachefs.origin.settings import OriginSettings
from cachefs.origin.uri import HTTP_SCHEMES, Source
from cachefs.ports import PIECE_BYTES
from cachefs.types import ByteRange, Deadline, ObjectInfo

if TYPE_CHECKING:
    from obstore import GetOptions, ObjectMeta

PAGE_OBJECTS = 1000
_STATUS = re.compile(r"status code: (?P<status>\d{3})")
_THROTTLED = re.compile(r"SlowDown|TooManyRequests|ServerBusy")
_TIMED_OUT = re.compile(r"\bTimedOut\b|kind: Timeout")
_TIME_AND_SIZE = "time:"
_BY_STATUS: dict[int, type[OriginError]] = {
    400: OriginProtocolError,
    401: OriginDenied,
    403: OriginDenied,
    404: OriginNotFound,
    412: ObjectChanged,
    416: ObjectChanged,
    429: OriginThrottled,
}


class ObjectStoreOrigin:
    """One bucket or one web server. See `cachefs.ports.Origin`; thread-safe."""

    def __init__(self, authority: str, store: stores.ObjectStore) -> None:
        self._authority = authority
        self._store = store
        self._closed = False

    @property
    def authority(self) -> str:
        """``s3://bucket``, ``https://host``."""
        return self._authority

    def list(self, prefix: str, deadline: Deadline) -> Iterator[Sequence[ObjectInfo]]:
        """See `Origin.list`. Of a web server's directories only those of WebDAV servers can be listed."""
        what = f"list {self._authority}/{prefix}"
        if prefix and not prefix.endswith("/"):
            yield from self._list_one(prefix, deadline)
            return
        try:
            for page in obstore.list(self._store, prefix.rstrip("/") or None, chunk_size=PAGE_OBJECTS):
                self._check(what, deadline)
                yield [self._info(meta["path"], meta) for meta in page]
        except (BaseError, OSError, ValueError) as error:
            raise _origin_error(what, error) from None

    def stat(self, key: str, deadline: Deadline) -> ObjectInfo:
        """See `Origin.stat`."""
        what = f"stat {self._authority}/{key}"
        self._check(what, deadline)
        try:
            return self._info(key, obstore.head(self._store, key))
        except (BaseError, OSError, ValueError) as error:
            raise _origin_error(what, error) from None

    def read(self, info: ObjectInfo, span: ByteRange, deadline: Deadline) -> Iterator[memoryview]:
        """See `Origin.read`."""
        if not len(span):
            return
        what = f"read {info.uri} [{span.start}, {span.stop})"
        self._check(what, deadline)
        options: GetOptions = {"range": (span.start, span.stop)}
        if not info.version.startswith((_TIME_AND_SIZE, "W/")):
            options["if_match"] = f'"{info.version}"'
        left = len(span)
        try:
            result = obstore.get(self._store, info.key, options=options)
            self._check_answer(what, info, span, result.meta, result.range)
            for piece in _pieces(result.stream(min_chunk_size=PIECE_BYTES)):
                self._check(what, deadline)
                left -= len(piece)
                yield piece
        except (BaseError, OSError, ValueError) as error:
            raise _origin_error(what, error) from None
        if left:
            raise OriginProtocolError(f"{what}: {len(span) - left} bytes came")

    def close(self) -> None:
        """See `Origin.close`. Connections are closed when the last answer is done with."""
        self._closed = True

    def _list_one(self, key: str, deadline: Deadline) -> Iterator[Sequence[ObjectInfo]]:
        try:
            yield [self.stat(key, deadline)]
        except OriginNotFound:
            return

    def _check(self, what: str, deadline: Deadline) -> None:
        deadline.check(what)
        if self._closed:
            raise OriginUnavailable(f"{what}: closed")

    def _check_answer(
        self, what: str, info: ObjectInfo, span: ByteRange, meta: ObjectMeta, got: tuple[int, int]
    ) -> None:
        now = self._info(info.key, meta)
        if now.version != info.version or now.size_bytes != info.size_bytes:
            raise ObjectChanged(f"{what}: version {info.version} was replaced by {now.version}")
        if got != (span.start, span.stop):
            raise OriginProtocolError(f"{what}: the answer has [{got[0]}, {got[1]})")

    def _info(self, key: str, meta: ObjectMeta) -> ObjectInfo:
        return ObjectInfo(
            uri=f"{self._authority}/{key}",
            key=key,
            size_bytes=meta["size"],
            version=_version(meta),
            mtime_ns=_nanoseconds(meta["last_modified"]),
        )


def open_object_store(source: Source, settings: OriginSettings) -> ObjectStoreOrigin:
    """An origin for a source of scheme s3, gs, az, http or https. Raises InvalidSource for settings obstore refuses."""
    _check_credentials(source, settings)
    client: dict[str, Any] = {
        "connect_timeout": timedelta(seconds=settings.connect_timeout_seconds),
        "timeout": timedelta(seconds=settings.request_timeout_seconds),
        "allow_http": source.scheme == "http" or settings.endpoint.startswith("http://"),
    }
    once: Any = {"max_retries": 0}  # who retries is the fetcher, which knows the deadline and the budget
    try:
        store = _open_store(source, settings, client, once)
    except (BaseError, ValueError, TypeError) as error:
        hint = "check `endpoint`, `region`, `credentials` and `options` for this source under `origins`"
        raise InvalidSource(f"{source.uri}: {error}", hint=hint) from None
    return ObjectStoreOrigin(source.authority, store)


def _open_store(source: Source, settings: OriginSettings, client: Any, once: Any) -> stores.ObjectStore:  # noqa: ANN401  # obstore's typed dicts
    bucket = source.authority.partition("://")[2]
    options: dict[str, Any] = dict(settings.options)
    if settings.endpoint:
        options["endpoint"] = settings.endpoint
    if source.scheme in HTTP_SCHEMES:
        return stores.HTTPStore(source.authority, client_options=client, retry_config=once)
    if settings.credentials.provider == "anonymous":
        options["skip_signature"] = True
    if source.scheme == "gs":
        return stores.GCSStore(bucket, config=_any(options), client_options=client, retry_config=once)
    if source.scheme == "az":
        return stores.AzureStore(bucket, config=_any(options), client_options=client, retry_config=once)
    options |= _s3_options(settings)
    return stores.S3Store(bucket, config=_any(options), client_options=client, retry_config=once)


def _check_credentials(source: Source, settings: OriginSettings) -> None:
    """Refuse what would be ignored."""
    usable = {"env", "anonymous", "static"} if source.scheme == "s3" else {"env", "anonymous"}
    if settings.credentials.provider not in usable:
        hint = f"use {' or '.join(sorted(usable))}, or give the keys as `options` of the obstore client"
        problem = f"credentials.provider {settings.credentials.provider!r} does not work for {source.scheme}"
        raise InvalidSource(f"{source.uri}: {problem}", hint=hint)


def _s3_options(settings: OriginSettings) -> dict[str, Any]:
    keys = settings.credentials
    options: dict[str, Any] = {"region": settings.region} if settings.region else {}
    if keys.provider == "static":
        options |= {"access_key_id": keys.access_key_id, "secret_access_key": keys.access_key_secret}
        if keys.security_token:
            options["session_token"] = keys.security_token
    return options


def _any(options: dict[str, Any]) -> Any:  # noqa: ANN401  # obstore checks the names itself
    return options


def _pieces(stream: Any) -> Iterator[memoryview]:  # noqa: ANN401  # BytesStream exists for type checkers only
    for chunk in stream:
        view = memoryview(chunk)
        for start in range(0, len(view), PIECE_BYTES):
            yield view[start : start + PIECE_BYTES]


def _version(meta: ObjectMeta) -> str:
    if etag := meta["e_tag"]:
        return etag.strip('"')  # some servers quote it in one kind of answer and not in another
    return f"{_TIME_AND_SIZE}{_nanoseconds(meta['last_modified'])}-{meta['size']}"


def _nanoseconds(moment: datetime) -> int:
    """Whole seconds: listings may be more exact than the Last-Modified of the same object."""
    return int(moment.timestamp()) * 1_000_000_000


def _origin_error(what: str, error: Exception) -> OriginError:
    """The class of obstore's exceptions says little; the HTTP status is in the text of most of them."""
    text, _, debug = str(error).partition("Debug source:")
    message = f"{what}: {' '.join(text.split())}"
    if isinstance(error, FileNotFoundError):
        return OriginNotFound(message)
    if isinstance(error, (PermissionDeniedError, UnauthenticatedError)):
        return OriginDenied(message)
    if isinstance(error, PreconditionError):
        return ObjectChanged(message)
    if "non-partial response" in text:
        return OriginProtocolError(message, hint="the server ignores Range: it cannot be an origin")
    if found := _STATUS.search(text):
        return _by_status(int(found["status"]), text)(message, hint=_hint(text))
    return OriginTimeout(message) if _TIMED_OUT.search(debug) else OriginUnavailable(message)


def _by_status(status: int, text: str) -> type[OriginError]:
    if _THROTTLED.search(text):
        return OriginThrottled
    return _BY_STATUS.get(status, OriginUnavailable if status >= 500 else OriginProtocolError)


def _hint(text: str) -> str | None:
    """What to do about a web server that cannot list."""
    return "only WebDAV servers list directories: name one object instead" if "PROPFIND" in text else None
