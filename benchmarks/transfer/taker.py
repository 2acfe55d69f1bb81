"""The process that wants the model. It is told which way to fetch it, does so once, and says what that took.

A chunk is written, hashed, compared with the digest that came with it, and committed: what a daemon does with it.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.transfer import bare
from benchmarks.transfer.giver import cpu_seconds, say
from benchmarks.transfer.node import described, identity, opened_store, settings
from cachefs.errors import PeerCorrupt
from cachefs.sharing import ChunkStream
from cachefs.store import Blob, Store
from cachefs.types import BlobKey, Deadline
from peer.lane.client import LaneClient
from peer.rpc.link import PeerLink
from peer.rpc.security import Security
from peer.values import Identity

CHUNK_SECONDS = 30.0
TICKET_SECONDS = 10.0

Fetch = Callable[[BlobKey, int, Deadline], ChunkStream]


@dataclass(frozen=True, slots=True)
class Taker:
    """One node that takes from one other."""

    store: Store
    size_bytes: int
    loop: asyncio.AbstractEventLoop
    giver: Identity
    bare_port: int
    bare_file: Path

    def lane(self, at_a_time: int = 1) -> None:
        """Chunks over the bulk lane, whose tickets come over gRPC, by default one after the other."""
        link = self._link()
        client = LaneClient(settings("taker").times)
        try:
            self._fetch_all(
                lambda key, chunk, end: client.fetch(self.giver, key, chunk, end, lambda _: self._ticket(link)),
                at_a_time,
            )
        finally:
            client.close()
            self._close(link)

    def grpc(self) -> None:
        """One chunk after the other as streams of gRPC."""
        link = self._link()
        try:
            self._fetch_all(link.fetch)
        finally:
            self._close(link)

    def bare(self) -> None:
        """Bare system calls, into a file of the same tmpfs."""
        bare.take(self.bare_port, self.size_bytes, self.bare_file)

    def dropped(self) -> None:
        """Bare system calls, the bytes go nowhere."""
        bare.take(self.bare_port, self.size_bytes, None)

    def clean(self) -> None:
        """As if nothing had been fetched."""
        self.bare_file.unlink(missing_ok=True)
        self.store.evict(BlobKey.of(described(self.size_bytes), self.store.chunk_bytes).blob_id)

    def _fetch_all(self, fetch: Fetch, at_a_time: int = 1) -> None:
        blob = self.store.acquire(described(self.size_bytes))
        try:
            with ThreadPoolExecutor(at_a_time) as threads:
                for _ in threads.map(partial(_fetch, fetch, blob), range(blob.key.chunk_count)):
                    pass  # raises what a fetch raised
            assert blob.sealed, "all chunks were committed"
        finally:
            blob.release()

    def _link(self) -> PeerLink:
        mine = settings("taker")
        return PeerLink(self.giver, lambda: identity("taker", "127.0.0.1:1", 0), Security(mine.security), mine.times)

    def _ticket(self, link: PeerLink) -> bytes:
        return asyncio.run_coroutine_threadsafe(link.ticket(), self.loop).result(TICKET_SECONDS)

    def _close(self, link: PeerLink) -> None:
        asyncio.run_coroutine_threadsafe(link.aclose(), self.loop).result(TICKET_SECONDS)


def _fetch(fetch: Fetch, blob: Blob, chunk: int) -> None:
    """One chunk into the store, as a fill thread does it."""
    stream = fetch(blob.key, chunk, Deadline.after(CHUNK_SECONDS))
    writer = blob.write(chunk)
    try:
        for piece in stream:
            writer.write(piece)
        if writer.digest() != stream.digest:
            raise PeerCorrupt(f"chunk {chunk} does not have the digest that came with it")
        writer.commit()
    finally:
        writer.abort()
        stream.close()


def measured(work: Callable[[], None]) -> dict[str, object]:
    """Seconds that `work` took, of the clock and of this process's processors."""
    began, used = time.perf_counter(), cpu_seconds()
    work()
    return {"seconds": time.perf_counter() - began, "cpu_seconds": cpu_seconds() - used}


async def obey(tier: Path, size_bytes: int, *, huge_pages: bool) -> None:
    """The first line says where the giver is, each further one names a way. Until standard input ends."""
    where = json.loads(await asyncio.to_thread(sys.stdin.readline))
    with opened_store(tier, size_bytes, huge_pages=huge_pages) as store:
        giver = identity("giver", where["address"], where["lane_port"])
        loop = asyncio.get_running_loop()
        taker = Taker(store, size_bytes, loop, giver, where["bare_port"], tier / "bare")
        ways: dict[str, Callable[[], None]] = {
            "lane": taker.lane,
            "lane_by_two": partial(taker.lane, 2),
            "grpc": taker.grpc,
            "bare": taker.bare,
            "dropped": taker.dropped,
        }
        while line := await asyncio.to_thread(sys.stdin.readline):
            say(await asyncio.to_thread(partial(measured, ways[line.strip()])))
            await asyncio.to_thread(taker.clean)


if __name__ == "__main__":
    asyncio.run(obey(Path(sys.argv[1]), int(sys.argv[2]), huge_pages=sys.argv[3] == "huge"))
