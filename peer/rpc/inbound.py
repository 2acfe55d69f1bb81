"""One call that came in: its messages within limits of size and time, and its end as a status.

Every method of the service is a stream in both directions here. On the wire that is the same, and so each message,
also the only one of a simple call, is waited for under a deadline of this node and not of the caller.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Never

import grpc
import grpc.aio

from cachefs.errors import PeerBusy, PeerError, PeerMismatch, PeerProtocolError, PeerUnavailable
from peer.rpc.messages import MAX_REQUEST_BYTES
from peer.rpc.status import code_of
from peer.rpc.traffic import Traffic

log = logging.getLogger(__name__)

Context = grpc.aio.ServicerContext[bytes, bytes]


class TooLarge(PeerProtocolError):
    """A request that is not looked at."""


class TooSlow(PeerUnavailable):
    """The caller does not send what it announced, or does not take what it asked for."""


class TooMany(PeerBusy):
    """A budget of this node is used up."""


_REASONS: tuple[tuple[type[PeerError], str], ...] = (
    (TooLarge, "too_large"),
    (TooSlow, "too_slow"),
    (TooMany, "too_many"),
    (PeerMismatch, "protocol_version"),
    (PeerProtocolError, "malformed"),
)


class Inbound:
    """The call as its handler sees it."""

    def __init__(self, context: Context, traffic: Traffic) -> None:
        self._context = context
        self._traffic = traffic

    async def read(self, timeout_seconds: float | None) -> bytes | None:
        """The next message; None when the caller has said all. Raises TooSlow and TooLarge.

        None as the time: for a stream on which it is normal that nothing comes.
        """
        try:
            async with asyncio.timeout(timeout_seconds):
                data: object = await self._context.read()
        except TimeoutError:
            raise TooSlow(f"no request came within {timeout_seconds} s") from None
        if not isinstance(data, bytes):
            return None
        if len(data) > MAX_REQUEST_BYTES:
            raise TooLarge(f"a request of {len(data)} bytes; {MAX_REQUEST_BYTES} are the most")
        self._traffic.received(len(data))
        return data

    async def request(self, timeout_seconds: float) -> bytes:
        """The message that there must be."""
        data = await self.read(timeout_seconds)
        if data is None:
            raise PeerProtocolError("the call ended before its request")
        return data

    async def answer(self, data: bytes, timeout_seconds: float) -> None:
        """Send a message about chunks."""
        await self.send(data, timeout_seconds)
        self._traffic.sent(len(data))

    async def send(self, data: bytes, timeout_seconds: float) -> None:
        """Send a message. Raises TooSlow when the caller does not take it."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._context.write(data)
        except TimeoutError:
            raise TooSlow(f"an answer was not taken within {timeout_seconds} s") from None


class Border:
    """Where calls come in and errors go out: one for a server. On the loop."""

    def __init__(self, traffic: Traffic) -> None:
        self.rejected: Counter[str] = Counter()
        self._traffic = traffic
        self._running: set[asyncio.Task[None]] = set()

    def method(self, name: str, handle: Callable[[Inbound], Awaitable[None]]) -> grpc.RpcMethodHandler[bytes, bytes]:
        """What gRPC calls for the method `name`."""

        async def behave(_requests: object, context: Context) -> None:
            task = asyncio.current_task()
            assert task is not None
            self._running.add(task)
            try:
                await self._answered(name, handle, context)
            finally:
                self._running.discard(task)

        return grpc.stream_stream_rpc_method_handler(behave)

    async def _answered(self, name: str, handle: Callable[[Inbound], Awaitable[None]], context: Context) -> None:
        try:
            await handle(Inbound(context, self._traffic))
        except PeerError as error:
            self._count(error)
            await _end(context, code_of(error), str(error))
        except grpc.aio.BaseError as error:  # reading or writing met the end of the call before its cancellation did
            raise asyncio.CancelledError(str(error)) from None
        except Exception:
            log.exception("peer.%s failed: an error of this node", name)
            await _end(context, grpc.StatusCode.INTERNAL, "an error of this node; its log has more")

    def _count(self, error: PeerError) -> None:
        reason = next((reason for kind, reason in _REASONS if isinstance(error, kind)), None)
        if reason is not None:
            self.rejected[reason] += 1

    async def idle(self) -> None:
        """Wait until the handlers that were cancelled have ended."""
        if self._running:
            await asyncio.wait(self._running)


async def _end(context: Context, code: grpc.StatusCode, details: str) -> Never:
    """End the call. Behind an answer that is stuck no status fits: gRPC resets the stream of a handler that is gone."""
    try:
        await context.abort(code, details)
    except grpc.aio.InternalError:
        raise asyncio.CancelledError(details) from None
