"""The answering side of the service: a port, a gate before it, and six methods behind."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Self

import grpc
import grpc.aio

from cachefs.errors import PeerLacks
from cachefs.sharing import Lender
from peer.lane.uploads import Uploads
from peer.membership.prober import HelloReply
from peer.rpc.channels import server_options
from peer.rpc.giving import Giver
from peer.rpc.host import PeerHost
from peer.rpc.inbound import Border, Inbound
from peer.rpc.messages import (
    SERVICE,
    Locate,
    Located,
    decode_hello,
    decode_holds,
    decode_open_lane,
    decode_prewarm,
    encode_hello_reply,
    encode_holds_reply,
    encode_prewarm_reply,
    encode_ticket,
)
from peer.rpc.prewarming import Answer
from peer.rpc.security import Gate, Security
from peer.rpc.telling import Streams, Telling
from peer.rpc.traffic import Traffic
from peer.settings import PeerSettings
from peer.values import Address


class PeerServer:
    """Answers other nodes, from entering the context to leaving it. On the loop.

    Entering raises OSError when the port cannot be had, or a file of TLS cannot be read. Leaving ends all calls.
    `security` and `traffic` are shared with the links of the same node.
    """

    def __init__(
        self,
        host: PeerHost,
        lender: Lender,
        uploads: Uploads,
        settings: PeerSettings,
        security: Security | None = None,
        traffic: Traffic | None = None,
    ) -> None:
        self._host = host
        self._lender = lender
        self._uploads = uploads
        self._settings = settings
        self.security = security or Security(settings.security)
        self.traffic = traffic or Traffic()
        self._border = Border(self.traffic)
        self._streams = Streams()
        self._port = 0
        self.answer_prewarm: Answer | None = None
        """None: this node takes no prewarms from others (yet)."""

    @property
    def address(self) -> Address:
        """Where it listens: the host of `settings.listen`, and the port that it really has."""
        return f"{self._settings.listen.rpartition(':')[0]}:{self._port}"

    @property
    def port(self) -> int:
        """The port that it really has."""
        return self._port

    @property
    def rejected(self) -> Mapping[str, int]:
        """Requests refused, by reason, since the start. A copy."""
        return dict(self._border.rejected)

    async def __aenter__(self) -> Self:
        """Listen."""
        self._giver = Giver(self._lender, self._uploads, self._settings.times, self._settings.limits.uploads)
        self._server = grpc.aio.server(
            handlers=[self._methods()],
            interceptors=[Gate(self.security, self._refused)],
            options=server_options(self._settings.times),
        )
        self._port = self._listen()
        await self._server.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End all calls, and listen no more."""
        await self._server.stop(None)
        await self._border.idle()
        self._giver.close()

    def _listen(self) -> int:
        address, tls = self._settings.listen, self.security.tls
        try:
            if tls is None:
                return self._server.add_insecure_port(address)
            return self._server.add_secure_port(address, tls.server_credentials())
        except RuntimeError as error:
            raise OSError(
                f"peers.listen {address}: the port is taken, or the address is not of this machine"
            ) from error

    def _refused(self) -> None:
        self._border.rejected["unauthenticated"] += 1

    def _methods(self) -> grpc.GenericRpcHandler:
        handlers = {
            "Hello": self._hello,
            "Have": self._have,
            "Locate": self._locate,
            "Fetch": self._giver.give,
            "Holds": self._holds,
            "OpenLane": self._open_lane,
            "Prewarm": self._prewarm,
        }
        return grpc.method_handlers_generic_handler(
            SERVICE, {name: self._border.method(name, handle) for name, handle in handlers.items()}
        )

    async def _hello(self, call: Inbound) -> None:
        caller = decode_hello(await self._request(call))
        await self._answer(call, encode_hello_reply(HelloReply(self._host.identity(), self._host.introduced(caller))))

    async def _have(self, call: Inbound) -> None:
        await Telling(call, self._host, self._settings.times, self._border.rejected).run(self._streams)

    async def _locate(self, call: Inbound) -> None:
        asked = Locate.decode(await self._request(call))
        have, fetching = self._host.locate(asked.blob, asked.chunks, asked.urgent)
        await self._answer(call, Located(have, fetching).encode())

    async def _holds(self, call: Inbound) -> None:
        asked = decode_holds(await self._request(call))
        await self._answer(call, encode_holds_reply(self._host.whole(asked)))

    async def _open_lane(self, call: Inbound) -> None:
        caller = decode_open_lane(await self._request(call))
        lane_port = self._host.identity().lane_port
        if lane_port == 0:
            raise PeerLacks("this node has no bulk lane")
        ticket = self._host.issue_ticket(caller)
        await self._answer(call, encode_ticket(ticket, lane_port, self._settings.times.ticket))

    async def _prewarm(self, call: Inbound) -> None:
        caller, document = decode_prewarm(await self._request(call))
        if self.answer_prewarm is None:
            raise PeerLacks("this node takes no prewarms yet")
        await self._answer(call, encode_prewarm_reply(await self.answer_prewarm(caller, document)))

    async def _request(self, call: Inbound) -> bytes:
        return await call.request(self._settings.times.handshake)

    async def _answer(self, call: Inbound, data: bytes) -> None:
        await call.answer(data, self._settings.times.handshake)
