"""The messages of the service as values, each with its bytes.

gRPC hands raw bytes to this package, on both sides, and not messages: what cannot be parsed then ends as what it is, a
breach of the protocol by the other side, and not as an internal error of this one. `decode` raises PeerProtocolError
and PeerMismatch, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from cachefs.errors import PeerProtocolError
from cachefs.sharing import ChunkSet, Want
from cachefs.types import BlobId
from peer import peer_pb2 as pb
from peer.membership.prober import HelloReply
from peer.rpc import convert
from peer.values import HaveUpdate, Identity, PeerId

SERVICE = "mows.peer.v1.Peers"

MAX_REQUEST_BYTES = 1 << 20
"""The longest request that is looked at: one that locates chunks of the largest blob has half of that."""

MAX_MESSAGE_BYTES = 4 << 20
"""The longest message that gRPC accepts, in either direction."""

BATCH_BYTES = 1 << 20
"""A batch is cut after the update that reaches so many bytes."""

PIECE_BYTES = 1 << 20
"""Of a chunk in one message. Larger ones were not faster, and take more memory."""

MOST_HELD = 4096
"""Blobs in one question which of them a node has: 72 KiB."""

M = TypeVar("M", bound=Message)


def path(method: str) -> str:
    """What gRPC calls a method."""
    return f"/{SERVICE}/{method}"


def _parse(kind: type[M], data: bytes) -> M:
    try:
        return kind.FromString(data)
    except DecodeError:
        raise PeerProtocolError(f"{len(data)} bytes that are no {kind.__name__}") from None


def _identity(message: pb.HelloRequest | pb.HelloReply | pb.FollowRequest) -> Identity:
    if not message.HasField("identity"):
        raise PeerProtocolError(f"{type(message).__name__} without an identity")
    return convert.identity_of(message.identity)


def encode_hello(mine: Identity) -> bytes:
    """The request: who is asking."""
    return pb.HelloRequest(identity=convert.identity_to_message(mine)).SerializeToString()


def decode_hello(data: bytes) -> Identity:
    """Who is asking."""
    return _identity(_parse(pb.HelloRequest, data))


def encode_hello_reply(reply: HelloReply) -> bytes:
    """Who answers, and whether it can call back."""
    identity = convert.identity_to_message(reply.identity)
    return pb.HelloReply(identity=identity, cannot_reach_you=reply.cannot_reach_you).SerializeToString()


def decode_hello_reply(data: bytes) -> HelloReply:
    """Who answers, and whether it can call back."""
    message = _parse(pb.HelloReply, data)
    reason = message.cannot_reach_you[: convert.MAX_TEXT]
    return HelloReply(_identity(message), convert.text_of(reason, "HelloReply.cannot_reach_you"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Follows:
    """What the caller follows from now on, and no more; the first says who it is."""

    identity: Identity | None = None
    follow: tuple[tuple[BlobId, Want], ...] = ()
    unfollow: tuple[BlobId, ...] = ()

    def encode(self) -> bytes:
        """As it travels."""
        message = pb.FollowRequest(unfollow=[convert.blob_to_bytes(blob) for blob in self.unfollow])
        if self.identity is not None:
            message.identity.CopyFrom(convert.identity_to_message(self.identity))
        for blob, want in self.follow:
            message.follow.add(blob=convert.blob_to_bytes(blob), want=convert.want_to_message(want))
        return message.SerializeToString()

    @classmethod
    def decode(cls, data: bytes) -> Follows:
        """As it came."""
        message = _parse(pb.FollowRequest, data)
        return cls(
            identity=_identity(message) if message.HasField("identity") else None,
            follow=tuple(
                (convert.blob_of(one.blob, "Follow.blob"), convert.want_of(one.want, "Follow.want"))
                for one in message.follow
            ),
            unfollow=tuple(convert.blob_of(blob, "FollowRequest.unfollow") for blob in message.unfollow),
        )


@dataclass(frozen=True, slots=True)
class Batch:
    """What a node says about some blobs at once; the first says who it is."""

    peer: PeerId | None
    updates: tuple[HaveUpdate, ...]

    @classmethod
    def decode(cls, data: bytes) -> Batch:
        """As it came."""
        message = _parse(pb.HaveBatch, data)
        peer = convert.peer_id_of(message.peer, "HaveBatch.peer") if message.peer else None
        return cls(peer, tuple(convert.update_of(update) for update in message.updates))


def encode_batches(peer: PeerId | None, updates: Sequence[HaveUpdate]) -> Iterator[bytes]:
    """The updates as batches that fit a message; at least one, which may be empty.

    Raises ValueError when a blob has more than `convert.MAX_CHUNKS` chunks.
    """
    batch, nbytes = pb.HaveBatch(peer=peer or ""), 0
    for update in updates:
        if nbytes >= BATCH_BYTES:
            yield batch.SerializeToString()
            batch, nbytes = pb.HaveBatch(), 0
        message = convert.update_to_message(update)
        nbytes += message.ByteSize()
        batch.updates.append(message)
    yield batch.SerializeToString()


@dataclass(frozen=True, slots=True)
class Locate:
    """The question which of these chunks are there, or on their way."""

    blob: BlobId
    chunks: ChunkSet
    urgent: bool

    def encode(self) -> bytes:
        """As it travels."""
        chunks = convert.chunks_to_message(self.chunks)
        blob = convert.blob_to_bytes(self.blob)
        return pb.LocateRequest(blob=blob, chunks=chunks, urgent=self.urgent).SerializeToString()

    @classmethod
    def decode(cls, data: bytes) -> Locate:
        """As it came."""
        message = _parse(pb.LocateRequest, data)
        chunks = convert.chunks_of(message.chunks, convert.MAX_CHUNKS, "LocateRequest.chunks")
        return cls(convert.blob_of(message.blob, "LocateRequest.blob"), chunks, message.urgent)


@dataclass(frozen=True, slots=True)
class Located:
    """The answer to `Locate`."""

    have: ChunkSet
    fetching: ChunkSet

    def encode(self) -> bytes:
        """As it travels."""
        have, fetching = convert.chunks_to_message(self.have), convert.chunks_to_message(self.fetching)
        return pb.LocateReply(have=have, fetching=fetching).SerializeToString()

    @classmethod
    def decode(cls, data: bytes) -> Located:
        """As it came."""
        message = _parse(pb.LocateReply, data)
        return cls(
            convert.chunks_of(message.have, convert.MAX_CHUNKS, "LocateReply.have"),
            convert.chunks_of(message.fetching, convert.MAX_CHUNKS, "LocateReply.fetching"),
        )


@dataclass(frozen=True, slots=True)
class Fetch:
    """The question for one chunk."""

    blob: BlobId
    chunk: int
    caller: PeerId

    def encode(self) -> bytes:
        """As it travels."""
        blob = convert.blob_to_bytes(self.blob)
        return pb.FetchRequest(blob=blob, chunk=self.chunk, caller=self.caller).SerializeToString()

    @classmethod
    def decode(cls, data: bytes) -> Fetch:
        """As it came."""
        message = _parse(pb.FetchRequest, data)
        caller = convert.peer_id_of(message.caller, "FetchRequest.caller")
        return cls(convert.blob_of(message.blob, "FetchRequest.blob"), message.chunk, caller)


@dataclass(frozen=True, slots=True)
class Head:
    """What comes before the bytes of a chunk."""

    digest: bytes
    size_bytes: int

    def encode(self) -> bytes:
        """As it travels."""
        return pb.FetchReply(head=pb.FetchHead(digest=self.digest, size=self.size_bytes)).SerializeToString()


def encode_piece(data: bytes) -> bytes:
    """The next bytes of a chunk."""
    return pb.FetchReply(data=data).SerializeToString()


def decode_head(data: bytes) -> Head:
    """The first answer to `Fetch`."""
    message = _parse(pb.FetchReply, data)
    if message.WhichOneof("part") != "head":
        raise PeerProtocolError("FetchReply does not begin with its head")
    return Head(convert.id_bytes(message.head.digest, "FetchHead.digest"), message.head.size)


def decode_piece(data: bytes) -> bytes:
    """Each further answer to `Fetch`: 1 to `PIECE_BYTES` bytes."""
    piece = _parse(pb.FetchReply, data).data
    if not 0 < len(piece) <= PIECE_BYTES:
        raise PeerProtocolError(f"FetchReply.data has {len(piece)} bytes")
    return piece


def encode_holds(blobs: Sequence[BlobId]) -> bytes:
    """The question which of these blobs are there as a whole."""
    return pb.HoldsRequest(blobs=map(convert.blob_to_bytes, blobs)).SerializeToString()


def decode_holds(data: bytes) -> list[BlobId]:
    """The question."""
    return _blobs(_parse(pb.HoldsRequest, data))


def encode_holds_reply(blobs: Sequence[BlobId]) -> bytes:
    """Those that are."""
    return pb.HoldsReply(blobs=map(convert.blob_to_bytes, blobs)).SerializeToString()


def decode_holds_reply(data: bytes) -> list[BlobId]:
    """Those that are, as the other node says."""
    return _blobs(_parse(pb.HoldsReply, data))


def _blobs(message: pb.HoldsRequest | pb.HoldsReply) -> list[BlobId]:
    name = f"{type(message).__name__}.blobs"
    if len(message.blobs) > MOST_HELD:
        raise PeerProtocolError(f"{name}: {len(message.blobs)} ids, and {MOST_HELD} are allowed")
    return [convert.blob_of(blob, name) for blob in message.blobs]


def encode_open_lane(caller: PeerId) -> bytes:
    """A ticket, please."""
    return pb.OpenLaneRequest(caller=caller).SerializeToString()


def decode_open_lane(data: bytes) -> PeerId:
    """Who wants a ticket."""
    return convert.peer_id_of(_parse(pb.OpenLaneRequest, data).caller, "OpenLaneRequest.caller")


def encode_ticket(ticket: bytes, port: int, expires_seconds: float) -> bytes:
    """What opens one connection to the bulk lane at `port`."""
    return pb.Ticket(ticket=ticket, port=port, expires_seconds=expires_seconds).SerializeToString()


def decode_ticket(data: bytes) -> bytes:
    """What opens one connection to the bulk lane."""
    ticket = _parse(pb.Ticket, data).ticket
    if not 0 < len(ticket) <= convert.MAX_TEXT:
        raise PeerProtocolError(f"Ticket.ticket has {len(ticket)} bytes")
    return ticket


def encode_prewarm(caller: PeerId, document: bytes) -> bytes:
    """What is asked about a prewarm."""
    return pb.PrewarmRequest(caller=caller, document=document).SerializeToString()


def decode_prewarm(data: bytes) -> tuple[PeerId, bytes]:
    """Who asks, and what."""
    message = _parse(pb.PrewarmRequest, data)
    return convert.peer_id_of(message.caller, "PrewarmRequest.caller"), message.document


def encode_prewarm_reply(document: bytes) -> bytes:
    """What is answered about a prewarm."""
    return pb.PrewarmReply(document=document).SerializeToString()


def decode_prewarm_reply(data: bytes) -> bytes:
    """What was answered about a prewarm."""
    return _parse(pb.PrewarmReply, data).document
