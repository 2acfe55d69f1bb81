"""Whatever is sent to the running service, it answers, blames itself for nothing, and goes on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import grpc.aio
import pytest
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from peer import peer_pb2 as pb
from peer.rpc.hello import hello
from peer.rpc.messages import path
from peer.rpc.security import Security
from peer.settings import SecuritySettings
from tests.contract.peer_world import ME, World, serving
from tests.property.test_peer_rpc_messages import arbitrary

EXPECTED = {
    grpc.StatusCode.OK,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.FAILED_PRECONDITION,
}
"""How calls may end. Not by an error of the server, and not by the caller's patience."""

LOST = (grpc.StatusCode.INTERNAL, "Internal error from Core")
"""The client's own word for a second message that met the answer to the first on its way."""

PATIENCE_SECONDS = 60.0

REQUESTS = {
    "Hello": "HelloRequest",
    "Have": "FollowRequest",
    "Locate": "LocateRequest",
    "Fetch": "FetchRequest",
    "Holds": "HoldsRequest",
    "OpenLane": "OpenLaneRequest",
}


class Running:
    """A server with a loop of its own: the same one for all examples of a test."""

    def __init__(self, runner: asyncio.Runner, world: World) -> None:
        self._runner = runner
        self._world = world
        self.here = world.shelf.put(bytes(100), 64).blob_id

    def send(self, method: str, requests: list[bytes]) -> None:
        """Say all of `requests`, then nothing more, and hear the answers; then ask whether the server still lives."""
        self._runner.run(self._send(method, requests))

    async def _send(self, method: str, requests: list[bytes]) -> None:
        async with grpc.aio.insecure_channel(self._world.server.address) as channel:
            multi: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(path(method))
            call = multi(iter(requests), timeout=PATIENCE_SECONDS)
            with contextlib.suppress(grpc.aio.AioRpcError):
                async for _ in call:
                    pass
            ending = await call.code(), await call.details()
            assert ending[0] in EXPECTED or ending == LOST, ending
        reply = await hello(self._world.server.address, ME, Security(SecuritySettings()), PATIENCE_SECONDS)
        assert reply.identity == self._world.there


@contextlib.contextmanager
def running(root: Path) -> Iterator[Running]:
    """One server for all examples of a test."""
    with asyncio.Runner() as runner:
        served = serving(root)
        world = runner.run(served.__aenter__())
        try:
            yield Running(runner, world)
        finally:
            runner.run(served.__aexit__(None, None, None))


def few(example: Callable[..., None]) -> Callable[..., None]:
    """Each is a connection, and how long one takes is the machine's affair."""
    return settings(max_examples=40)(example)


@pytest.mark.parametrize("method", REQUESTS)
class TestAnything:
    def test_bytes(self, tmp_path: Path, method: str) -> None:
        with running(tmp_path) as server:

            @given(st.lists(st.binary(max_size=200), max_size=3))
            @few
            def any_bytes(requests: list[bytes]) -> None:
                server.send(method, requests)

            any_bytes()

    def test_fields(self, tmp_path: Path, method: str) -> None:
        with running(tmp_path) as server:

            @given(st.lists(arbitrary(f"mows.peer.v1.{REQUESTS[method]}"), max_size=3))
            @few
            def any_fields(messages: list[Message]) -> None:
                server.send(method, [message.SerializeToString() for message in messages])

            any_fields()


def test_any_chunk_of_a_blob_that_is_here(tmp_path: Path) -> None:
    with running(tmp_path) as server:

        @given(st.integers(0, 5) | st.integers(0, (1 << 32) - 1))
        @few
        def any_chunk(chunk: int) -> None:
            request = pb.FetchRequest(blob=bytes.fromhex(server.here), chunk=chunk, caller=ME.peer_id)
            server.send("Fetch", [request.SerializeToString()])

        any_chunk()
