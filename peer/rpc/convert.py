"""Fields of messages to values and back, where everything that comes in is doubted.

Values become fields without a check, because this node made them. Fields become values only if they keep every rule of
`peer.proto`; otherwise PeerProtocolError names the field and what is wrong with it, and PeerMismatch the two versions.
Nothing else is raised, whatever the bytes.
"""

from __future__ import annotations

import re

from cachefs import bitset
from cachefs.errors import PeerMismatch, PeerProtocolError
from cachefs.sharing import ChunkSet, Want
from cachefs.types import BlobId
from peer import peer_pb2 as pb
from peer.values import PROTOCOL_VERSION, HaveUpdate, Identity, PeerId

ID_BYTES = 16
"""Of a blob id and of a digest: both are xxh3-128."""

MAX_CHUNKS = 1 << 22
"""Chunks of one blob: 4 TiB in chunks of 1 MiB. Its bitmap is 512 KiB, so that one update always fits a message."""

MAX_CHUNK_BYTES = 1 << 32
MAX_TEXT = 255
MAX_PORT = 65535

_ADDRESS = re.compile(r"(?:\[[0-9A-Fa-f:.]+(?:%[0-9A-Za-z_.-]+)?\]|[0-9A-Za-z_.-]+):([0-9]{1,5})")
_BOOT_ID = re.compile(r"[0-9a-f]{16}")


def _check(holds: bool, message: str) -> None:  # noqa: FBT001  # reads like an assertion
    if not holds:
        raise PeerProtocolError(message)


def blob_to_bytes(blob: BlobId) -> bytes:
    """The id as it travels."""
    return bytes.fromhex(blob)


def blob_of(data: bytes, field: str) -> BlobId:
    """The id that travelled as `field`."""
    return BlobId(id_bytes(data, field).hex())


def id_bytes(data: bytes, field: str) -> bytes:
    """The 16 bytes of an id or a digest."""
    _check(len(data) == ID_BYTES, f"{field} has {len(data)} bytes instead of {ID_BYTES}")
    return data


def chunks_to_message(chunks: ChunkSet) -> pb.Chunks:
    """The set as a bitmap or as numbers, whichever is shorter."""
    bitmap_bytes = (chunks.bit_length() + 7) // 8
    if chunks.bit_count() < bitmap_bytes:  # a number takes one byte at the least
        numbers = list(bitset.each(chunks))
        if sum(_varint_bytes(number) for number in numbers) < bitmap_bytes:
            return pb.Chunks(numbers=numbers)
    return pb.Chunks(bitmap=bitset.to_bytes(chunks, chunks.bit_length()))


def _varint_bytes(number: int) -> int:
    return max(1, (number.bit_length() + 6) // 7)


def chunks_of(message: pb.Chunks, chunk_count: int, field: str) -> ChunkSet:
    """The set. Its chunks are below `chunk_count`, which the caller has checked."""
    if not message.numbers:
        bitmap_bytes = (chunk_count + 7) // 8
        _check(len(message.bitmap) <= bitmap_bytes, f"{field}: a bitmap of {len(message.bitmap)} bytes is too long")
        chunks = bitset.from_bytes(message.bitmap, 8 * bitmap_bytes)
    else:
        _check(not message.bitmap, f"{field} has both a bitmap and numbers")
        _check(8 * len(message.numbers) <= chunk_count + 7, f"{field} has more numbers than a bitmap has bytes")
        _check(max(message.numbers) < chunk_count, f"{field}: chunk {max(message.numbers)} of {chunk_count}")
        chunks = bitset.of(message.numbers)
    highest = chunks.bit_length() - 1
    _check(highest < chunk_count, f"{field}: chunk {highest} of {chunk_count}")
    return chunks


def want_to_message(want: Want) -> str:
    """The name of the value of the enumeration, which messages take as well as its number."""
    return f"WANT_{want.name}"


def want_of(number: int, field: str) -> Want:
    """How much of a blob somebody wants."""
    try:
        return Want(number)
    except ValueError:
        raise PeerProtocolError(f"{field}: {number} is not a way of wanting a blob") from None


def identity_to_message(identity: Identity) -> pb.Identity:
    """Who a node is, as it travels."""
    return pb.Identity(
        node_id=identity.node_id,
        boot_id=identity.boot_id,
        address=identity.address,
        lane_port=identity.lane_port,
        zone=identity.zone,
        chunk_bytes=identity.chunk_bytes,
        protocol=identity.protocol,
        version=identity.version,
    )


def identity_of(message: pb.Identity) -> Identity:
    """Who a node says that it is. PeerMismatch comes before any doubt about the rest: other versions, other rules."""
    if message.protocol != PROTOCOL_VERSION:
        raise PeerMismatch(
            f"node {message.node_id[:MAX_TEXT]!r} speaks protocol version {message.protocol}, "
            f"and the other side {PROTOCOL_VERSION}"
        )
    _check(0 < message.chunk_bytes <= MAX_CHUNK_BYTES, f"Identity.chunk_bytes: {message.chunk_bytes}")
    _check(message.lane_port <= MAX_PORT, f"Identity.lane_port: {message.lane_port}")
    _check(_BOOT_ID.fullmatch(message.boot_id) is not None, "Identity.boot_id is not 16 hex digits")
    _check(message.node_id != "", "Identity.node_id is empty")
    return Identity(
        node_id=text_of(message.node_id, "Identity.node_id"),
        boot_id=message.boot_id,
        address=_address_of(message.address),
        lane_port=message.lane_port,
        zone=text_of(message.zone, "Identity.zone"),
        chunk_bytes=message.chunk_bytes,
        protocol=message.protocol,
        version=text_of(message.version, "Identity.version"),
    )


def text_of(text: str, field: str) -> str:
    """A short text that may be shown to a person and written to a log."""
    _check(len(text) <= MAX_TEXT, f"{field} has {len(text)} characters instead of at most {MAX_TEXT}")
    _check(text.isprintable(), f"{field} has characters that cannot be printed")
    return text


def _address_of(text: str) -> str:
    found = _ADDRESS.fullmatch(text_of(text, "Identity.address"))
    _check(found is not None and 0 < int(found[1]) <= MAX_PORT, f"Identity.address: {text!r} is not host:port")
    return text


def peer_id_of(text: str, field: str) -> PeerId:
    """One run of one node: ``node@boot``."""
    node_id, _, boot_id = text_of(text, field).rpartition("@")
    _check(node_id != "" and _BOOT_ID.fullmatch(boot_id) is not None, f"{field}: {text!r} is not node@boot")
    return PeerId(text)


def update_to_message(update: HaveUpdate) -> pb.HaveUpdate:
    """What a node says about one blob, as it travels. Raises ValueError for a blob of more than `MAX_CHUNKS`."""
    if update.chunk_count > MAX_CHUNKS:
        raise ValueError(f"blob {update.blob} has {update.chunk_count} chunks; {MAX_CHUNKS} is the most to be told")
    return pb.HaveUpdate(
        blob=blob_to_bytes(update.blob),
        chunk_count=update.chunk_count,
        whole=update.whole,
        have=chunks_to_message(update.have),
        fetching=chunks_to_message(update.fetching),
        want=want_to_message(update.want),
    )


def update_of(message: pb.HaveUpdate) -> HaveUpdate:
    """What a node says about one blob."""
    _check(message.chunk_count <= MAX_CHUNKS, f"HaveUpdate.chunk_count: {message.chunk_count}")
    return HaveUpdate(
        blob=blob_of(message.blob, "HaveUpdate.blob"),
        chunk_count=message.chunk_count,
        whole=message.whole,
        have=chunks_of(message.have, message.chunk_count, "HaveUpdate.have"),
        fetching=chunks_of(message.fetching, message.chunk_count, "HaveUpdate.fetching"),
        want=want_of(message.want, "HaveUpdate.want"),
    )
