"""The one table between errors and gRPC's status codes. The server reads it one way, the client the other."""

from __future__ import annotations

import grpc

from cachefs.errors import (
    PeerBusy,
    PeerError,
    PeerLacks,
    PeerMismatch,
    PeerProtocolError,
    PeerRefused,
    PeerUnavailable,
)

Code = grpc.StatusCode

_SENT: tuple[tuple[type[PeerError], grpc.StatusCode], ...] = (
    (PeerBusy, Code.RESOURCE_EXHAUSTED),
    (PeerLacks, Code.NOT_FOUND),
    (PeerRefused, Code.UNAUTHENTICATED),
    (PeerMismatch, Code.FAILED_PRECONDITION),
    (PeerProtocolError, Code.INVALID_ARGUMENT),
    (PeerUnavailable, Code.UNAVAILABLE),
)

_RECEIVED: dict[grpc.StatusCode, type[PeerError]] = {
    **{code: kind for kind, code in _SENT},
    Code.DEADLINE_EXCEEDED: PeerUnavailable,
    Code.CANCELLED: PeerUnavailable,  # by us, or because the other side stops
    Code.PERMISSION_DENIED: PeerRefused,  # a proxy that guards the way
}
"""What a MoWS peer never answers (UNIMPLEMENTED, UNKNOWN, INTERNAL, ...) comes from another service."""

_ANOTHER_SERVICE = ("http1.x", "http2", "preface", "http/1", "settings frame", "wrong_version_number")
"""In the text of UNAVAILABLE, in lower case: something listens there, but no gRPC, or with TLS on one side only."""

_CERTIFICATE = ("certificate", "tlsv1_alert", "unknown_ca", "bad_certificate", "peer name")
"""In the text of UNAVAILABLE, in lower case: one of the two sides does not accept the other's certificate."""


def code_of(error: PeerError) -> grpc.StatusCode:
    """How the server ends a call that failed with `error`."""
    return next((code for kind, code in _SENT if isinstance(error, kind)), Code.INTERNAL)


def error_of(code: grpc.StatusCode, details: str, what: str) -> PeerError:
    """What it means that the call `what` (peer and method) ended so."""
    message = f"{what}: {details or code.name}"
    if code is Code.UNAVAILABLE:
        return _unavailable(message)
    return _RECEIVED.get(code, PeerProtocolError)(message)


def _unavailable(message: str) -> PeerError:
    text = message.lower()
    if any(word in text for word in _CERTIFICATE):
        return PeerRefused(message)
    if any(word in text for word in _ANOTHER_SERVICE):
        return PeerProtocolError(message)
    return PeerUnavailable(message)
