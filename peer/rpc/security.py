"""Who may talk: the cluster's token on every call, certificates on every connection, or both.

A caller without the token learns nothing at all: the answer is the same for methods that exist and that do not, for
blobs that are here and that are not, and comes before a byte of the request is looked at.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import grpc
import grpc.aio

from peer.rpc.tls import TlsFiles
from peer.rpc.token_file import TokenFile
from peer.settings import SecuritySettings

Q = TypeVar("Q")
A = TypeVar("A")

Metadata = tuple[tuple[str, str], ...]

_HEADER = "authorization"
_SCHEME = "Bearer "


class Security:
    """What a node shows, and asks to be shown. One for the server and all links. Any thread."""

    def __init__(self, settings: SecuritySettings) -> None:
        self._tokens = TokenFile(settings.token_file, "peers.token_file") if settings.token_file else None
        self.tls = _tls_files(settings)

    def metadata(self) -> Metadata:
        """What goes with every call."""
        if self._tokens is None:
            return ()
        return ((_HEADER, _SCHEME + self._tokens.first().decode("ascii")),)

    def lets_in(self, metadata: Sequence[tuple[str, str | bytes]]) -> bool:
        """Whether a call with this metadata is answered."""
        if self._tokens is None:
            return True
        given = [value for key, value in metadata if key == _HEADER]
        return len(given) == 1 and self._is_token(given[0])

    def _is_token(self, value: str | bytes) -> bool:
        text = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
        scheme, token = text[: len(_SCHEME)], text[len(_SCHEME) :]
        return scheme == _SCHEME.encode() and self._tokens is not None and self._tokens.matches(token)


def _tls_files(settings: SecuritySettings) -> TlsFiles | None:
    if settings.tls_cert is None:
        return None
    if settings.tls_key is None or settings.tls_ca is None:
        raise ValueError("a certificate needs its key and the authority of the other nodes' certificates")
    return TlsFiles(settings.tls_cert, settings.tls_key, settings.tls_ca)


class Gate(grpc.aio.ServerInterceptor):
    """Stands before all methods of the server."""

    def __init__(self, security: Security, refused: Callable[[], None]) -> None:
        self._security = security
        self._refused = refused

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Q, A] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Q, A] | None:
        """See gRPC."""
        if self._security.lets_in(handler_call_details.invocation_metadata or ()):
            return await continuation(handler_call_details)
        self._refused()
        return grpc.stream_stream_rpc_method_handler(_refuse)


async def _refuse(_requests: object, context: grpc.aio.ServicerContext[bytes, bytes]) -> None:
    await context.abort(grpc.StatusCode.UNAUTHENTICATED)
