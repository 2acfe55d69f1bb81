"""The process that has the model: a store, the bulk lane, the gRPC service, and the bare port beside them.

Writes one JSON line when it is ready, then one with its processor seconds so far for every line it is given.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
from contextlib import ExitStack
from pathlib import Path

from benchmarks.transfer import bare
from benchmarks.transfer.node import Host, fill, opened_store, settings
from peer.lane.server import LaneServer
from peer.lane.tickets import Tickets
from peer.lane.uploads import Uploads
from peer.rpc.server import PeerServer

STOP_SECONDS = 10.0


def cpu_seconds() -> float:
    """Of this process, all threads, user and system."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def serve(tier: Path, size_bytes: int, *, huge_pages: bool) -> None:
    """Until standard input ends."""
    mine = settings("giver")
    tickets, uploads = Tickets(seconds=mine.times.ticket), Uploads(mine.limits)
    with ExitStack() as stack:
        store = stack.enter_context(opened_store(tier, size_bytes, huge_pages=huge_pages))
        blob = store.lend(fill(store, size_bytes))
        assert blob is not None, "the blob was filled just now"
        stack.callback(blob.release)
        bare_port = stack.enter_context(bare.giving(blob.fd, size_bytes))
        lane = LaneServer("127.0.0.1", 0, store, tickets, uploads, mine.limits, mine.times)
        lane.start()
        stack.callback(lane.stop, STOP_SECONDS)
        stack.callback(uploads.close)
        async with PeerServer(Host(tickets, lane.port), store, uploads, mine) as server:
            say({"bare_port": bare_port, "lane_port": lane.port, "address": server.address})
            while await asyncio.to_thread(sys.stdin.readline):
                say({"cpu_seconds": cpu_seconds()})


def say(document: dict[str, object]) -> None:
    """One line for whoever started this process."""
    print(json.dumps(document), flush=True)


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), int(sys.argv[2]), huge_pages=sys.argv[3] == "huge"))
