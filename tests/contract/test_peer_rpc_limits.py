"""Callers that take too long, too much or too many: each is ended, and counted by reason."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import grpc.aio
import pytest

from cachefs.sharing import Want
from cachefs.types import BlobId
from peer import peer_pb2 as pb
from peer import peer_pb2_grpc
from peer.rpc import telling
from peer.rpc.convert import MAX_CHUNKS, identity_to_message
from peer.rpc.messages import MAX_MESSAGE_BYTES, MAX_REQUEST_BYTES, path
from peer.values import HaveUpdate
from tests.contract.peer_world import ME, MIB, QUICK, World, serving, settings_of

HURRIED = dataclasses.replace(QUICK, handshake=0.1, dead_after=0.2, chunk=0.2)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with serving(tmp_path, settings_of(times=HURRIED)) as running:
        yield running


@pytest.fixture
async def channel(world: World) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(world.server.address) as opened:
        yield opened


async def ending(call: grpc.aio.StreamStreamCall[bytes, bytes] | grpc.aio.UnaryStreamCall[bytes, bytes]) -> object:
    """How it ends, which gRPC only knows once all answers were read."""
    with contextlib.suppress(grpc.aio.AioRpcError):
        while await call.read() is not grpc.aio.EOF:
            pass
    return await call.code()


@pytest.mark.parametrize("method", ["Hello", "Have", "Locate", "Holds", "Fetch", "OpenLane"])
async def test_a_call_without_its_request(world: World, channel: grpc.aio.Channel, method: str) -> None:
    begun: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(path(method))
    call = begun(timeout=30.0)
    assert await ending(call) is grpc.StatusCode.UNAVAILABLE
    assert await call.details() == "no request came within 0.1 s"
    assert world.server.rejected == {"too_slow": 1}


async def test_a_follower_that_does_not_take_the_news(world: World, channel: grpc.aio.Channel) -> None:
    """More than fits the connection's windows."""
    begun: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(path("Have"))
    call = begun(timeout=60.0)
    await call.write(pb.FollowRequest(identity=identity_to_message(ME)).SerializeToString())
    subscription = await world.host.subscriptions.get()
    every_other = int("01" * (MAX_CHUNKS // 2), 2)
    news = HaveUpdate(
        blob=BlobId("ab" * 16), chunk_count=MAX_CHUNKS, whole=True, have=every_other, fetching=0, want=Want.ALL
    )
    subscription.tell(*[news] * 64)
    await subscription.closed.wait()
    assert world.server.rejected == {"too_slow": 1}
    assert await ending(call) is not grpc.StatusCode.OK


async def test_a_reader_that_does_not_take_its_chunk(
    world: World, channel: grpc.aio.Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The slot that it holds is given back."""
    key = world.shelf.put(bytes(64 * MIB), 64 * MIB)
    ended: asyncio.Queue[int] = asyncio.Queue()
    with monkeypatch.context() as patch:
        patch.setattr(world.uploads, "note_ended", ended.put_nowait)
        begun: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(path("Fetch"))
        request = pb.FetchRequest(blob=bytes.fromhex(key.blob_id), caller=ME.peer_id)
        call = begun(request.SerializeToString(), timeout=60.0)
        assert await call.read()
        left_bytes = await ended.get()
    world.uploads.note_ended(left_bytes)
    assert left_bytes > 0
    assert world.server.rejected == {"too_slow": 1}
    assert await ending(call) is not grpc.StatusCode.OK


@pytest.mark.parametrize(("size_bytes", "counted"), [(MAX_REQUEST_BYTES + 1, 1), (MAX_MESSAGE_BYTES + 1, 0)])
async def test_a_request_that_is_too_large(
    world: World, channel: grpc.aio.Channel, size_bytes: int, counted: int
) -> None:
    """The largest ones gRPC itself does not accept."""
    asked: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(path("Locate"))
    call = asked(bytes(size_bytes), timeout=30.0)
    assert await call.code() in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED)
    assert world.server.rejected.get("too_large", 0) == counted
    assert world.host.located == []


async def test_too_many_streams_of_all_callers(
    world: World, channel: grpc.aio.Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telling, "MAX_STREAMS", 0)
    stub = peer_pb2_grpc.PeersStub(channel)
    call = stub.Have(iter([pb.FollowRequest(identity=identity_to_message(ME))]), timeout=30.0)
    assert await ending(call) is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert world.server.rejected == {"too_many": 1}


async def test_a_standard_client_is_served(world: World, channel: grpc.aio.Channel) -> None:
    """The generated stub, as other programs would use it."""
    key = world.shelf.put(b"some bytes")
    stub = peer_pb2_grpc.PeersStub(channel)
    hello = await stub.Hello(pb.HelloRequest(identity=identity_to_message(ME)))
    assert hello.identity.node_id == "node-b"
    ticket = await stub.OpenLane(pb.OpenLaneRequest(caller=ME.peer_id))
    assert (ticket.port, ticket.expires_seconds) == (7, QUICK.ticket)
    located = await stub.Locate(pb.LocateRequest(blob=bytes.fromhex(key.blob_id)))
    assert located == pb.LocateReply(have=pb.Chunks(), fetching=pb.Chunks())
    wanted = pb.FetchRequest(blob=bytes.fromhex(key.blob_id), caller=ME.peer_id)
    head, piece = [part async for part in stub.Fetch(wanted)]
    assert (head.head.size, piece.data) == (10, b"some bytes")


async def test_callers_that_leave_in_the_midst(tmp_path: Path) -> None:
    """A message on its way then fails before the handler is cancelled: nobody's error, and nothing is logged."""
    async with serving(tmp_path) as world, grpc.aio.insecure_channel(world.server.address) as channel:
        key = world.shelf.put(bytes(16 * MIB), 16 * MIB)
        request = pb.FetchRequest(blob=bytes.fromhex(key.blob_id), caller=ME.peer_id).SerializeToString()
        begun: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(path("Fetch"))

        async def leave_after(messages: int) -> None:
            call = begun(request, timeout=60.0)
            for _ in range(messages):
                await call.read()
            call.cancel()

        for _ in range(20):
            await asyncio.gather(*(leave_after(messages) for messages in range(8)))
        assert world.server.rejected == {}
