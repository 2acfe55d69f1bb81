"""A lender over plain files, and both ends of a lane, that the tests share."""

from __future__ import annotations

import os
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import xxhash

from cachefs.sharing import ChunkSet
from cachefs.types import BlobId, BlobKey, Deadline
from peer.lane.client import LaneClient
from peer.lane.server import LaneServer
from peer.lane.tickets import Tickets
from peer.lane.uploads import Uploads
from peer.settings import PeerLimits, PeerTimes
from peer.values import Identity, PeerId

CHUNK_BYTES = 3 << 20
"""More than one piece."""

ASKING = PeerId("asking@1")
LIMITS, TIMES = PeerLimits(), PeerTimes()


@dataclass(eq=False)
class FileBlob:
    """A `LentBlob` whose bytes are `data`."""

    key: BlobKey
    data: bytes
    fd: int
    missing: set[int] = field(default_factory=set)
    references: int = 0

    @property
    def have(self) -> ChunkSet:
        return sum(1 << chunk for chunk in range(self.key.chunk_count) if chunk not in self.missing)

    def held(self, chunk: int) -> AbstractContextManager[None]:
        """See `LentBlob.held`."""
        return nullcontext()

    def digest(self, chunk: int) -> bytes | None:
        return None if chunk in self.missing else xxhash.xxh3_128_digest(self.chunk(chunk))

    def chunk(self, chunk: int) -> bytes:
        span = self.key.chunk_range(chunk)
        return self.data[span.start : span.stop]

    def release(self) -> None:
        assert self.references > 0, "released more often than lent"
        self.references -= 1


class FileLender:
    """A `Lender` of blobs that it is given."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.blobs: dict[BlobId, FileBlob] = {}
        self.lent = 0

    def add(self, name: str, size_bytes: int) -> FileBlob:
        """A blob of random bytes."""
        data = random.Random(name).randbytes(size_bytes)
        path = self._directory / name
        path.write_bytes(data)
        key = BlobKey(f"memory://bucket/{name}", "v1", size_bytes, CHUNK_BYTES)
        blob = self.blobs[key.blob_id] = FileBlob(key, data, os.open(path, os.O_RDWR))
        return blob

    def lend(self, blob_id: BlobId) -> FileBlob | None:
        blob = self.blobs.get(blob_id)
        if blob:
            blob.references += 1
            self.lent += 1
        return blob

    def blob_ids(self) -> list[BlobId]:
        return list(self.blobs)

    def whole(self, blob_ids: Sequence[BlobId]) -> list[BlobId]:
        return [blob_id for blob_id in blob_ids if blob_id in self.blobs]

    def close(self) -> None:
        for blob in self.blobs.values():
            os.close(blob.fd)
            assert blob.references == 0, f"{blob.key.uri} was not given back"


@dataclass(frozen=True)
class Lane:
    """Both ends of a lane, and what is behind them."""

    lender: FileLender
    blob: FileBlob
    tickets: Tickets
    uploads: Uploads
    server: LaneServer
    client: LaneClient
    shown: list[bytes] = field(default_factory=list)

    @property
    def peer(self) -> Identity:
        return giving(self.server.port)

    def ticket(self, _deadline: Deadline) -> bytes:
        """As from gRPC; remembered in `shown`."""
        self.shown.append(self.tickets.issue(ASKING))
        return self.shown[-1]

    def fetch(self, chunk: int, blob: FileBlob | None = None) -> bytes:
        """A whole chunk, checked."""
        stream = self.client.fetch(self.peer, (blob or self.blob).key, chunk, soon(), self.ticket)
        try:
            data = b"".join(bytes(piece) for piece in stream)
        finally:
            stream.close()
        assert stream.digest == xxhash.xxh3_128_digest(data)
        return data

    def connect(self) -> socket.socket:
        """A plain connection to the server's port."""
        return socket.create_connection(("127.0.0.1", self.server.port), 30)


def soon() -> Deadline:
    """Long after everything that works has ended."""
    return Deadline.after(60)


def giving(port: int) -> Identity:
    """The node whose lane listens on `port`."""
    return Identity(
        node_id="giving", boot_id="1", address="127.0.0.1:9302", lane_port=port, zone="", chunk_bytes=CHUNK_BYTES
    )


def wait_until(condition: Callable[[], bool], otherwise: Callable[[], str] = str) -> None:
    """Until something that happens on another thread has happened."""
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, otherwise()
        time.sleep(0.002)


@contextmanager
def lane(directory: Path, *, limits: PeerLimits = LIMITS, times: PeerTimes = TIMES, chunks: int = 3) -> Iterator[Lane]:
    """A lane over loopback, with one blob whose last chunk is short."""
    lender = FileLender(directory)
    blob = lender.add("blob", (chunks - 1) * CHUNK_BYTES + 12345)
    tickets, uploads = Tickets(seconds=times.ticket), Uploads(limits)
    server = LaneServer("127.0.0.1", 0, lender, tickets, uploads, limits, times)
    client = LaneClient(times)
    server.start()
    try:
        yield Lane(lender, blob, tickets, uploads, server, client)
    finally:
        client.close()
        uploads.close()
        server.stop(30)
        lender.close()


@contextmanager
def speaking(talk: Callable[[socket.socket], None], times: int = 1) -> Iterator[Identity]:
    """A peer whose lane is `talk`, called with each of so many connections in turn; they are closed afterwards."""
    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        for _ in range(times):
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                talk(connection)

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield giving(listener.getsockname()[1])
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        listener.close()
