"""The asking side: channels to one address, and what becomes of calls on them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

import grpc
import grpc.aio

from cachefs.errors import PeerError, PeerMismatch, PeerProtocolError, PeerUnavailable
from peer.rpc.changing_files import Stamp
from peer.rpc.channels import client_options
from peer.rpc.messages import path
from peer.rpc.security import Security
from peer.rpc.status import error_of
from peer.rpc.traffic import Traffic
from peer.settings import PeerTimes
from peer.values import Address


class Dialler:
    """Makes channels to one address. Nothing is connected before the first call. Any thread."""

    def __init__(self, address: Address, security: Security, times: PeerTimes) -> None:
        self.address = address
        self._security = security
        self._options = client_options(times)

    def stamp(self) -> Stamp:
        """Another one as soon as a new channel would show another certificate than one made now."""
        tls = self._security.tls
        try:
            return tls.stamp() if tls else ()
        except OSError:
            return ()  # about to be replaced; making a channel says what is wrong

    def for_loop(self) -> grpc.aio.Channel:
        """A channel for calls on the loop. Raises PeerRefused when there is no certificate to show."""
        tls = self._security.tls
        if tls is None:
            return grpc.aio.insecure_channel(self.address, self._options)
        return grpc.aio.secure_channel(self.address, tls.client_credentials(), self._options)

    def for_threads(self) -> grpc.Channel:
        """A channel for blocking calls. Raises PeerRefused when there is no certificate to show."""
        tls = self._security.tls
        if tls is None:
            return grpc.insecure_channel(self.address, self._options)
        return grpc.secure_channel(self.address, tls.client_credentials(), self._options)


@contextlib.contextmanager
def ending(what: str) -> Iterator[None]:
    """Whatever ends a call inside ends in a PeerError that names `what`: the address and the method."""
    try:
        yield
    except grpc.RpcError as error:
        raise ended(error, what) from error
    except (PeerProtocolError, PeerMismatch) as error:
        raise type(error)(f"{what}: {error}") from error
    except (grpc.aio.UsageError, ValueError) as error:  # a channel says this after it was closed
        raise PeerUnavailable(f"{what}: {error}") from error
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise PeerUnavailable(f"{what}: the channel was closed") from error


def ended(error: grpc.RpcError, what: str) -> PeerError:
    """What it means that a call ended with `error`, which is also the call and so knows its status."""
    if not isinstance(error, grpc.aio.AioRpcError | grpc.Call):
        return PeerProtocolError(f"{what}: {error}")
    return error_of(error.code(), error.details() or "", what)


class Asker:
    """Questions with one answer, on one channel of the loop."""

    def __init__(self, channel: grpc.aio.Channel, security: Security, traffic: Traffic) -> None:
        self._channel = channel
        self._security = security
        self._traffic = traffic

    async def ask(self, method: str, request: bytes, timeout_seconds: float) -> bytes:
        """The answer, undecoded. Belongs inside `ending`."""
        call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = self._channel.unary_unary(path(method))
        self._traffic.sent(len(request))
        answer = await call(request, timeout=timeout_seconds, metadata=self._security.metadata())
        self._traffic.received(len(answer))
        return answer
