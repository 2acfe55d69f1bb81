"""What obstore's exceptions mean, and how settings reach it."""

from __future__ import annotations

from pathlib import Path

import pytest
from obstore import exceptions

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
from cachefs.origin import CredentialSettings, OriginSettings, parse_source
from cachefs.origin.object_store import _origin_error, _s3_options
from cachefs.origin.opening import open_origin


def status(code: str, body: str = "") -> exceptions.GenericError:
    return exceptions.GenericError(f"Generic S3 error: Server returned non-2xx status code: {code}: {body}")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (FileNotFoundError("x"), OriginNotFound),
        (exceptions.PreconditionError("x"), ObjectChanged),
        (exceptions.PermissionDeniedError("x"), OriginDenied),
        (exceptions.UnauthenticatedError("x"), OriginDenied),
        (status("403 Forbidden"), OriginDenied),
        (status("404 Not Found"), OriginNotFound),
        (status("412 Precondition Failed"), ObjectChanged),
        (status("416 Range Not Satisfiable"), ObjectChanged),
        (status("429 Too Many Requests"), OriginThrottled),
        (status("503 Service Unavailable", "<Code>SlowDown</Code>"), OriginThrottled),
        (status("503 Service Unavailable"), OriginUnavailable),
        (status("500 Internal Server Error"), OriginUnavailable),
        (status("405 Method Not Allowed"), OriginProtocolError),
        (exceptions.GenericError("Received non-partial response when range requested"), OriginProtocolError),
        (exceptions.GenericError("sending\n\nDebug source:\nkind: Timeout, source: TimedOut"), OriginTimeout),
        (exceptions.GenericError("sending\n\nDebug source:\nretry_timeout: 180s, kind: Connect"), OriginUnavailable),
    ],
)
def test_errors(error: Exception, kind: type[OriginError]) -> None:
    ours = _origin_error("read s3://b/k", error)
    assert type(ours) is kind
    assert str(ours).startswith("read s3://b/k: ")
    assert "Debug source" not in str(ours)


def test_s3_keys() -> None:
    keys = CredentialSettings(provider="static", access_key_id="a", access_key_secret="b", security_token="c")
    assert _s3_options(OriginSettings(region="r", credentials=keys)) == {
        "region": "r",
        "access_key_id": "a",
        "secret_access_key": "b",
        "session_token": "c",
    }
    assert _s3_options(OriginSettings()) == {}


@pytest.mark.parametrize(
    ("uri", "options"),
    [
        ("gs://bucket/p", {"skip_signature": "true"}),
        ("az://container/p", {"account_name": "a", "use_emulator": "true"}),
    ],
)
def test_other_stores_open_with_their_own_options(uri: str, options: dict[str, str], tmp_path: Path) -> None:
    origin = open_origin(parse_source(uri), OriginSettings(options=options), state_dir=tmp_path)
    assert origin.authority == uri.removesuffix("/p")
    origin.close()


@pytest.mark.parametrize(
    ("uri", "credentials"),
    [
        ("s3://bucket/p", CredentialSettings(provider="ecs_ram_role")),
        ("gs://bucket/p", CredentialSettings(provider="static", access_key_id="a", access_key_secret="b")),
        ("https://host/x", CredentialSettings(provider="file", path="/x")),
    ],
)
def test_credentials_that_would_be_ignored_are_refused(
    uri: str, credentials: CredentialSettings, tmp_path: Path
) -> None:
    with pytest.raises(InvalidSource, match=f"'{credentials.provider}' does not work for") as caught:
        open_origin(parse_source(uri), OriginSettings(credentials=credentials), state_dir=tmp_path)
    assert "options" in caught.value.hint


def test_an_option_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidSource, match="no_such_option") as caught:
        open_origin(parse_source("s3://bucket/p"), OriginSettings(options={"no_such_option": "x"}), state_dir=tmp_path)
    assert "options" in caught.value.hint
