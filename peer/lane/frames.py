"""What travels on the bulk lane besides chunks: three frames of fixed size. Pure.

::

    opening   "MoWSlane" u16 version  6 bytes 0          16 bytes ticket                        asking side, once
    request   "GET1"     16 bytes blob  u32 chunk  u32 size                                     asking side
    answer    "ANS1"     u8 status  3 bytes 0  u32 size  16 bytes xxh3-128                      giving side
              followed by `size` bytes of the chunk, if the status is OK

Numbers are big-endian. There is one request under way at a time, and it names the size that the asking side expects, so
that a misunderstanding ends in an error and not in bytes that are taken for a frame. Every parser takes any bytes, and
raises PeerProtocolError and nothing else.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from cachefs.errors import PeerProtocolError
from cachefs.types import BlobId
from peer.lane.tickets import TICKET_BYTES

LANE_VERSION = 1

MAX_CHUNK_BYTES = 1 << 30
"""More than any chunk size that makes sense; what claims to be larger is no frame of ours."""

DIGEST_BYTES = 16

_MAGIC, _GET, _ANSWER = b"MoWSlane", b"GET1", b"ANS1"
_OPENING_LAYOUT = struct.Struct(f">8sH6s{TICKET_BYTES}s")
_REQUEST_LAYOUT = struct.Struct(">4s16sII")
_ANSWER_LAYOUT = struct.Struct(f">4sB3sI{DIGEST_BYTES}s")

OPENING_BYTES = _OPENING_LAYOUT.size
REQUEST_BYTES = _REQUEST_LAYOUT.size
ANSWER_BYTES = _ANSWER_LAYOUT.size


class Status(IntEnum):
    """How a request is answered."""

    OK = 0
    BUSY = 1
    """All slots are taken: ask another, and this one later."""
    LACKS = 2
    """The chunk is not here, or the blob is not: which of the two is not said."""


@dataclass(frozen=True, slots=True)
class Request:
    """One chunk, please."""

    blob: BlobId
    chunk: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What comes next. Size 0 and a digest of zeros unless the status is OK."""

    status: Status
    size_bytes: int = 0
    digest: bytes = bytes(DIGEST_BYTES)


def encode_opening(ticket: bytes) -> bytes:
    """The first frame of a connection. PeerProtocolError for what is no ticket: another node made it."""
    _demand(len(ticket) == TICKET_BYTES, f"a ticket of {len(ticket)} bytes")
    return _OPENING_LAYOUT.pack(_MAGIC, LANE_VERSION, bytes(6), ticket)


def parse_opening(frame: bytes) -> bytes:
    """The ticket."""
    magic, version, reserved, ticket = _unpack(_OPENING_LAYOUT, frame, "opening")
    _demand(magic == _MAGIC, f"an opening begins with {magic!r}")
    _demand(version == LANE_VERSION, f"version {version} of the bulk lane, ours is {LANE_VERSION}")
    _demand(not any(reserved), "reserved bytes of an opening are set")
    return bytes(ticket)


def encode_request(request: Request) -> bytes:
    """Ask for one chunk."""
    return _REQUEST_LAYOUT.pack(_GET, bytes.fromhex(request.blob), request.chunk, request.size_bytes)


def parse_request(frame: bytes) -> Request:
    """What is asked for. Whether there is such a blob and chunk is not known here."""
    kind, blob, chunk, size_bytes = _unpack(_REQUEST_LAYOUT, frame, "request")
    _demand(kind == _GET, f"a request begins with {kind!r}")
    _demand(0 < size_bytes <= MAX_CHUNK_BYTES, f"a chunk of {size_bytes} bytes is asked for")
    return Request(BlobId(blob.hex()), chunk, size_bytes)


def encode_answer(answer: Answer) -> bytes:
    """Say what comes next."""
    return _ANSWER_LAYOUT.pack(_ANSWER, answer.status, bytes(3), answer.size_bytes, answer.digest)


def parse_answer(frame: bytes) -> Answer:
    """What comes next."""
    kind, status, reserved, size_bytes, digest = _unpack(_ANSWER_LAYOUT, frame, "answer")
    _demand(kind == _ANSWER, f"an answer begins with {kind!r}")
    _demand(status in {*Status}, f"status {status} of an answer is unknown")
    _demand(not any(reserved), "reserved bytes of an answer are set")
    if status == Status.OK:
        _demand(0 < size_bytes <= MAX_CHUNK_BYTES, f"a chunk of {size_bytes} bytes is announced")
    else:
        _demand(size_bytes == 0 and not any(digest), "an answer without a chunk has a size or a digest")
    return Answer(Status(status), size_bytes, bytes(digest))


def _unpack(layout: struct.Struct, frame: bytes, name: str) -> tuple[Any, ...]:
    _demand(len(frame) == layout.size, f"{len(frame)} bytes are no {name}, which has {layout.size}")
    return layout.unpack(frame)


def _demand(condition: bool, otherwise: str) -> None:  # noqa: FBT001 - it reads as an assertion
    if not condition:
        raise PeerProtocolError(f"bulk lane: {otherwise}")
