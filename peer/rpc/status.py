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

_LOST = "Internal error from Core"
"""gRPC's words, with INTERNAL, for a message that met the end of its call on the way."""

_PREAMBLE = "failed to connect to all addresses; last error: "

_TLS_ON_ONE_SIDE = "peers.tls must be set on all nodes of the cluster, or on none"
_CLOSED_AT_ONCE = f"it stops, or it does not accept this node's certificate; {_TLS_ON_ONE_SIDE}"

_CLUES: tuple[tuple[str, type[PeerError], str | None], ...] = (
    ("http1.x", PeerProtocolError, None),
    ("failed parsing http/2", PeerProtocolError, None),
    ("wrong_version_number", PeerRefused, _TLS_ON_ONE_SIDE),
    ("certificate", PeerRefused, None),
    ("tlsv1_alert", PeerRefused, None),
    ("hostname verification", PeerRefused, "the peer's certificate must name the host that its peers.advertise names"),
    ("socket closed", PeerUnavailable, _CLOSED_AT_ONCE),
)
"""What gRPC calls UNAVAILABLE and is more than that, by words of its text in lower case; and a better hint."""


def code_of(error: PeerError) -> grpc.StatusCode:
    """How the server ends a call that failed with `error`."""
    return next((code for kind, code in _SENT if isinstance(error, kind)), Code.INTERNAL)


def error_of(code: grpc.StatusCode, details: str, what: str) -> PeerError:
    """What it means that the call `what` (peer and method) ended so."""
    message = f"{what}: {details.removeprefix(_PREAMBLE) or code.name}"
    if code is Code.INTERNAL and details == _LOST:
        return PeerUnavailable(f"{what}: the peer ended the call")
    if code is Code.UNAVAILABLE:
        return _unavailable(message)
    return _RECEIVED.get(code, PeerProtocolError)(message)


def _unavailable(message: str) -> PeerError:
    text = message.lower()
    for words, kind, hint in _CLUES:
        if words in text:
            return kind(message, hint=hint)
    return PeerUnavailable(message)
