"""The table between errors and status codes is total, both ways."""

from __future__ import annotations

import grpc
import pytest

from cachefs import errors
from peer.rpc.inbound import TooLarge, TooMany, TooSlow
from peer.rpc.status import code_of, error_of

Code = grpc.StatusCode


@pytest.mark.parametrize(
    "kind",
    [
        errors.PeerBusy,
        errors.PeerLacks,
        errors.PeerRefused,
        errors.PeerMismatch,
        errors.PeerProtocolError,
        errors.PeerUnavailable,
    ],
)
def test_what_the_server_means_is_what_the_client_reads(kind: type[errors.PeerError]) -> None:
    error = error_of(code_of(kind("the reason")), "the reason", "10.0.0.2:9302 Locate")
    assert type(error) is kind
    assert str(error) == "10.0.0.2:9302 Locate: the reason"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (TooLarge("x"), Code.INVALID_ARGUMENT),
        (TooMany("x"), Code.RESOURCE_EXHAUSTED),
        (TooSlow("x"), Code.UNAVAILABLE),
        (errors.PeerCorrupt("x"), Code.INTERNAL),
    ],
)
def test_every_error_has_a_code(error: errors.PeerError, code: grpc.StatusCode) -> None:
    assert code_of(error) is code


@pytest.mark.parametrize("code", list(Code))
def test_every_code_has_an_error(code: grpc.StatusCode) -> None:
    error = error_of(code, "", "10.0.0.2:9302 Locate")
    assert isinstance(error, errors.PeerError)
    assert str(error) == f"10.0.0.2:9302 Locate: {code.name}"


@pytest.mark.parametrize(
    ("details", "kind", "hint"),
    [
        ("connection refused", errors.PeerUnavailable, "check that the peer runs"),
        ("Failed parsing HTTP/2 (Expected SETTINGS frame)", errors.PeerProtocolError, "not of another service"),
        ("Trying to connect an http1.x server", errors.PeerProtocolError, "not of another service"),
        ("WRONG_VERSION_NUMBER: Invalid certificate verification", errors.PeerRefused, "or on none"),
        ("CERTIFICATE_VERIFY_FAILED", errors.PeerRefused, "certificates of the same authority"),
        ("Hostname Verification Check failed.", errors.PeerRefused, "peers.advertise"),
        ("Socket closed", errors.PeerUnavailable, "peers.tls"),
        ("connection attempt timed out before receiving SETTINGS frame", errors.PeerUnavailable, "both its ports"),
    ],
)
def test_unavailable_has_many_faces(details: str, kind: type[errors.PeerError], hint: str) -> None:
    error = error_of(Code.UNAVAILABLE, f"failed to connect to all addresses; last error: {details}", "there")
    assert type(error) is kind
    assert hint in error.hint
    assert str(error) == f"there: {details}"


def test_a_message_that_met_the_end_of_its_call_is_no_breach() -> None:
    assert type(error_of(Code.INTERNAL, "Internal error from Core", "there")) is errors.PeerUnavailable
    assert type(error_of(Code.INTERNAL, "anything else", "there")) is errors.PeerProtocolError
