"""The table from OSS failures to our errors."""

from __future__ import annotations

import pytest

from cachefs.errors import (
    ClockSkew,
    CredentialsExpired,
    ObjectChanged,
    OriginArchived,
    OriginDenied,
    OriginError,
    OriginNotFound,
    OriginProtocolError,
    OriginThrottled,
    OriginUnavailable,
)
from cachefs.origin.oss_errors import OssFailure, newer_keys_may_help, oss_error


@pytest.mark.parametrize(
    ("status", "code", "kind", "renew"),
    [
        (403, "AccessDenied", OriginDenied, True),
        (403, "SignatureDoesNotMatch", OriginDenied, True),
        (403, "InvalidAccessKeyId", OriginDenied, True),
        (403, "SecurityTokenExpired", CredentialsExpired, True),
        (403, "InvalidSecurityToken", CredentialsExpired, True),
        (403, "RequestTimeTooSkewed", ClockSkew, False),
        (403, "InvalidObjectState", OriginArchived, False),
        (401, "", OriginDenied, True),
        (404, "NoSuchKey", OriginNotFound, False),
        (404, "NoSuchBucket", OriginNotFound, False),
        (404, "", OriginNotFound, False),
        (412, "PreconditionFailed", ObjectChanged, False),
        (416, "InvalidRange", ObjectChanged, False),
        (429, "", OriginThrottled, False),
        (503, "DownloadTrafficRateLimitExceeded", OriginThrottled, False),
        (503, "TotalQpsLimitExceeded", OriginThrottled, False),
        (503, "ServiceUnavailable", OriginUnavailable, False),
        (500, "InternalError", OriginUnavailable, False),
        (502, "BadErrorResponse", OriginUnavailable, False),
        (301, "", OriginProtocolError, False),
        (400, "InvalidArgument", OriginProtocolError, False),
    ],
)
def test_table(status: int, code: str, kind: type[OriginError], renew: bool) -> None:
    failure = OssFailure(status, code, "why", request_id="R1")
    error = oss_error("read oss://b/k", failure)
    assert type(error) is kind
    assert str(error).startswith("read oss://b/k: ")
    assert "R1" in str(error)
    assert error.hint
    assert newer_keys_may_help(failure) is renew


def test_a_session_key_that_is_not_known_any_more_has_expired() -> None:
    assert isinstance(
        oss_error("x", OssFailure(403, "InvalidAccessKeyId", "", temporary_keys=True)), CredentialsExpired
    )


@pytest.mark.parametrize(("text", "seconds"), [("", None), ("3", 3.0), ("-3", 0.0), ("Mon, 23 Nov 2026", None)])
def test_retry_after(text: str, seconds: float | None) -> None:
    error = oss_error("x", OssFailure(503, "TotalQpsLimitExceeded", "", retry_after=text))
    assert isinstance(error, OriginThrottled)
    assert error.retry_after_seconds == seconds


def test_clock_skew_names_the_servers_clock() -> None:
    failure = OssFailure(403, "RequestTimeTooSkewed", "", server_date="Mon, 23 Nov 2026 10:00:00 GMT")
    assert "10:00:00" in str(oss_error("x", failure))
