"""The OSS origin against the test server, with every fault of DESIGN section 7."""

from __future__ import annotations

import json
import logging
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from benchmarks.ossserver import OssServer, StsToken
from cachefs.errors import (
    ClockSkew,
    CredentialsExpired,
    DeadlineExceeded,
    ObjectChanged,
    OriginArchived,
    OriginDenied,
    OriginError,
    OriginNotFound,
    OriginProtocolError,
    OriginThrottled,
    OriginTimeout,
    OriginUnavailable,
)
from cachefs.origin import CredentialSettings, OriginSettings, parse_source
from cachefs.origin.opening import open_origin
from cachefs.origin.oss import OssOrigin
from cachefs.types import ByteRange, Deadline, ObjectInfo
from tests.fault.scripted_server import scripted

DATA = random.Random(1).randbytes(5 << 20)
KEYS = CredentialSettings(
    provider="static", access_key_id="test-access-key-id", access_key_secret="test-access-key-secret"
)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[OssServer]:
    with OssServer(tmp_path / "objects") as server:
        server.create_bucket("models")
        server.put("models", "m/a.bin", DATA)
        yield server


def settings_for(server: OssServer, credentials: CredentialSettings = KEYS) -> OriginSettings:
    return OriginSettings(endpoint=server.endpoint, region=server.region, credentials=credentials)


def open_oss(settings: OriginSettings, bucket: str = "models") -> OssOrigin:
    origin = open_origin(parse_source(f"oss://{bucket}/m/"), settings, state_dir=Path("/nonexistent"))
    assert isinstance(origin, OssOrigin)
    return origin


@pytest.fixture
def origin(server: OssServer) -> Iterator[OssOrigin]:
    origin = open_oss(settings_for(server))
    yield origin
    origin.close()


def soon() -> Deadline:
    return Deadline.after(30)


def info_of(origin: OssOrigin) -> ObjectInfo:
    return origin.stat("m/a.bin", soon())


def read(origin: OssOrigin, info: ObjectInfo, deadline: Deadline | None = None) -> bytes:
    span = ByteRange(0, info.size_bytes)
    return b"".join(bytes(piece) for piece in origin.read(info, span, deadline or soon()))


def test_a_reset_in_the_body(server: OssServer, origin: OssOrigin) -> None:
    info = info_of(origin)
    server.faults.reset_body(2_000_000)
    with pytest.raises((OriginUnavailable, OriginProtocolError)):
        read(origin, info)
    assert read(origin, info) == DATA


def test_a_short_body(server: OssServer, origin: OssOrigin) -> None:
    info = info_of(origin)
    server.faults.truncate_body(2_000_000)
    with pytest.raises(OriginProtocolError, match="ended within"):
        read(origin, info)
    assert read(origin, info) == DATA


def test_another_range_than_asked_for(server: OssServer, origin: OssOrigin) -> None:
    info = info_of(origin)
    server.faults.wrong_content_range()
    with pytest.raises(OriginProtocolError, match="Content-Range"):
        read(origin, info)
    assert read(origin, info) == DATA


def test_throttling_is_told_apart_and_counted(server: OssServer, origin: OssOrigin) -> None:
    info = info_of(origin)
    for code in ("DownloadTrafficRateLimitExceeded", "TotalQpsLimitExceeded"):
        server.faults.throttle(1, code=code)
        with pytest.raises(OriginThrottled, match=code):
            read(origin, info)
    assert origin.statistics().delayed_answers == 2
    assert read(origin, info) == DATA


def test_an_internal_error_is_retryable(server: OssServer, origin: OssOrigin) -> None:
    info = info_of(origin)
    server.faults.fail(500, "InternalError")
    with pytest.raises(OriginUnavailable, match="InternalError") as caught:
        read(origin, info)
    assert caught.value.retryable


def test_silence_in_the_body(server: OssServer) -> None:
    origin = open_oss(replace(settings_for(server), idle_timeout_seconds=0.1))
    info = info_of(origin)
    server.faults.stall_body(2_000_000, 60)
    with pytest.raises(OriginTimeout, match="silent"):
        read(origin, info)
    origin.close()


def test_the_deadline_ends_a_silence_too(server: OssServer, origin: OssOrigin) -> None:
    info = info_of(origin)
    server.faults.stall_body(2_000_000, 60)
    with pytest.raises((DeadlineExceeded, OriginTimeout)):
        read(origin, info, Deadline.after(0.2))


def test_the_origin_goes_away_and_comes_back(server: OssServer, origin: OssOrigin) -> None:
    info = info_of(origin)
    server.stop()
    with pytest.raises(OriginUnavailable, match="refused"):
        read(origin, info)
    server.start()
    assert read(origin, info) == DATA


def test_an_object_overwritten_between_two_reads(server: OssServer, origin: OssOrigin) -> None:
    info = info_of(origin)
    server.put("models", "m/a.bin", DATA[::-1])
    with pytest.raises(ObjectChanged, match="PreconditionFailed"):
        read(origin, info)


def test_an_object_overwritten_in_mid_read_gives_the_old_bytes(server: OssServer, origin: OssOrigin) -> None:
    info = info_of(origin)
    pieces = origin.read(info, ByteRange(0, info.size_bytes), soon())
    first = bytes(next(iter(pieces)))
    server.put("models", "m/a.bin", DATA[::-1])
    assert first + b"".join(bytes(piece) for piece in pieces) == DATA


def test_an_archived_object(server: OssServer, origin: OssOrigin) -> None:
    server.put("models", "m/cold.bin", DATA, storage_class="Archive")
    info = next(i for page in origin.list("m/", soon()) for i in page if i.key == "m/cold.bin")
    with pytest.raises(OriginArchived) as caught:
        read(origin, info)
    assert "restore" in caught.value.hint


def test_a_clock_that_is_off(server: OssServer, origin: OssOrigin) -> None:
    server.faults.offset_clock(3600)
    with pytest.raises(ClockSkew, match="the server's clock says") as caught:
        list(origin.list("m/", soon()))
    assert "clock" in caught.value.hint


@pytest.mark.parametrize("version", ["v4", "v1"])
def test_a_wrong_secret(server: OssServer, version: str) -> None:
    keys = replace(KEYS, access_key_secret="wrong")
    settings = replace(settings_for(server, keys), signature_version="v1" if version == "v1" else "v4")
    origin = open_oss(settings)
    with pytest.raises(OriginDenied, match="SignatureDoesNotMatch") as caught:
        list(origin.list("m/", soon()))
    assert "secret" in caught.value.hint
    assert "wrong" not in repr(settings)
    origin.close()


def test_no_such_bucket_and_no_signature(server: OssServer) -> None:
    nowhere = open_oss(settings_for(server), bucket="nowhere")
    with pytest.raises(OriginNotFound, match="NoSuchBucket"):
        list(nowhere.list("", soon()))
    unsigned = open_oss(settings_for(server, CredentialSettings(provider="anonymous")))
    with pytest.raises(OriginDenied):
        list(unsigned.list("", soon()))
    nowhere.close()
    unsigned.close()


def write_token(path: Path, token: StsToken) -> None:
    document = {
        "AccessKeyId": token.access_key_id,
        "AccessKeySecret": token.access_key_secret,
        "SecurityToken": token.security_token,
        "Expiration": datetime.fromtimestamp(token.expires_at, UTC).isoformat(),
    }
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(document))
    fresh.replace(path)


def test_a_token_that_ends_between_two_reads_is_replaced(server: OssServer, tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    write_token(path, server.issue_sts_token(7200))
    origin = open_oss(settings_for(server, CredentialSettings(provider="file", path=str(path))))
    info = info_of(origin)
    server.expire_sts_tokens()
    write_token(path, server.issue_sts_token(7200))
    assert read(origin, info) == DATA
    origin.close()


def test_refused_keys_are_fetched_again_once(server: OssServer, tmp_path: Path) -> None:
    """A program cannot tell that its keys have changed: only the refusal does."""
    path = tmp_path / "keys.json"
    write_token(path, server.issue_sts_token(7200))
    settings = CredentialSettings(provider="process", command=f"cat {path}")
    origin = open_oss(settings_for(server, settings))
    info = info_of(origin)
    origin._client._credentials._attempted_at -= 60  # type: ignore[union-attr]  # the keys were fetched a minute ago
    server.expire_sts_tokens()
    write_token(path, server.issue_sts_token(7200))
    assert read(origin, info) == DATA
    assert origin.statistics().renewed_keys == 1
    origin.close()


def test_a_token_that_ends_without_a_newer_one(server: OssServer, tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    write_token(path, server.issue_sts_token(7200))
    origin = open_oss(settings_for(server, CredentialSettings(provider="file", path=str(path))))
    info = info_of(origin)
    server.expire_sts_tokens()
    with pytest.raises(CredentialsExpired, match="SecurityTokenExpired"):
        read(origin, info)
    origin.close()


def test_a_bad_new_document_keeps_the_old_keys(
    server: OssServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "keys.json"
    write_token(path, server.issue_sts_token(7200))
    origin = open_oss(settings_for(server, CredentialSettings(provider="file", path=str(path))))
    info = info_of(origin)
    path.write_text('{"AccessKeyId": "half')
    with caplog.at_level(logging.WARNING):
        assert read(origin, info) == DATA
    assert "not a JSON document; the old ones are kept" in caplog.text
    origin.close()


def test_no_credentials_at_all(server: OssServer, tmp_path: Path) -> None:
    origin = open_oss(settings_for(server, CredentialSettings(provider="file", path=str(tmp_path / "nothing"))))
    with pytest.raises(CredentialsExpired, match="No such file"):
        list(origin.list("m/", soon()))
    origin.close()


def test_the_crc_of_the_whole_object_is_learned_from_a_ranged_read(server: OssServer, origin: OssOrigin) -> None:
    (info,) = (info for page in origin.list("m/", soon()) for info in page)
    assert info.crc64 is None
    assert origin.crc64_of(info) is None
    next(iter(origin.read(info, ByteRange(0, 10), soon())))
    assert origin.crc64_of(info) == info_of(origin).crc64 is not None


def test_a_listing_has_as_many_pages_as_it_needs(server: OssServer, origin: OssOrigin) -> None:
    for number in range(2500):
        server.put("models", f"many/{number:05}", b"")
    pages = [len(page) for page in origin.list("many/", soon())]
    assert pages == [1000, 1000, 500]


SMALL = ObjectInfo("oss://models/m/s", "m/s", 5, "AB", 0)
RIGHT = 'HTTP/1.1 206 Partial Content\r\nETag: "AB"\r\nContent-Range: bytes 0-4/5\r\nContent-Length: 5\r\n\r\nhello'


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("206 Partial Content", "200 OK", OriginProtocolError),
        ('ETag: "AB"', 'ETag: "CD"', ObjectChanged),
        ('ETag: "AB"\r\n', "", ObjectChanged),
        ("bytes 0-4/5", "bytes 0-4/6", OriginProtocolError),
        ("Content-Range: bytes 0-4/5\r\n", "", OriginProtocolError),
        ("Content-Length: 5", "Content-Length: 6", OriginProtocolError),
        ("ETag", "Content-Encoding: gzip\r\nETag", OriginProtocolError),
        ("206 Partial Content", "416 Range", ObjectChanged),
        ("206 Partial Content", "429 Slow", OriginThrottled),
    ],
)
def test_only_the_exact_answer_is_believed(old: str, new: str, expected: type[OriginError]) -> None:
    with scripted([RIGHT.encode()], [RIGHT.replace(old, new).encode()]) as server:
        origin = open_oss(
            OriginSettings(endpoint=server.url, region="cn-hangzhou", credentials=KEYS, max_connections=1)
        )
        assert read(origin, SMALL) == b"hello"
        origin._client._pool._idle.pop().close()
        with pytest.raises(expected):
            read(origin, SMALL)
        origin.close()
    request = server.requests[0].decode().lower()
    for header in ("range: bytes=0-4", 'if-match: "ab"', "x-oss-range-behavior: standard", "accept-encoding: identity"):
        assert f"{header}\r\n" in request


@pytest.mark.parametrize(
    "body", [b"<not xml", b"<ListBucketResult><Contents><Size>x</Size></Contents></ListBucketResult>"]
)
def test_a_listing_that_cannot_be_understood(body: bytes) -> None:
    said = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    with scripted([said]) as server:
        origin = open_oss(OriginSettings(endpoint=server.url, region="cn-hangzhou", credentials=KEYS))
        with pytest.raises(OriginProtocolError, match="list oss://models/"):
            list(origin.list("m/", soon()))
        origin.close()
