"""Two nodes, one of which has the models and sends only some MiB a second: time to change secrets while chunks flow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.node.daemon import Daemon
from tests.cluster.loopback import Loopback
from tests.cluster.views import wait_until_up, warm
from tests.fuse.node import BUCKET, some_bytes

UPLINK = "6MiB"
DATA = some_bytes(2 << 20)
LONG = some_bytes(12 << 20, seed=2)
"""2 s of the uplink."""

ROTATED = f"oss://{BUCKET}/rotated/"
AFTERWARDS = f"oss://{BUCKET}/afterwards/"


@dataclass(frozen=True)
class Pair:
    """A node that has the models, and one that wants them."""

    nodes: Loopback

    @property
    def giver(self) -> Daemon:
        return self.nodes.daemons[0]

    @property
    def taker(self) -> Daemon:
        return self.nodes.daemons[1]

    def read_while(self, changes: Sequence[Callable[[], None]]) -> None:
        """Read a long file that only the other node can give, and make each change in the middle of it."""
        wait_until_up(*self.nodes.daemons)
        warm(self.giver, ROTATED)
        self.nodes.unplug_origin()
        path = self.taker.mount("rotated", ROTATED) / "model.safetensors"
        piece = len(LONG) // (len(changes) + 1)
        read = b""
        with path.open("rb", buffering=0) as file:
            for change in changes:
                read += file.read(piece)
                change()
            while more := file.read(1 << 20):
                read += more
        assert read == LONG
        assert self.taker.mount_state("rotated")["bytes"]["from_peers"] == len(LONG)
        self.taker.unmount("rotated")
        self.nodes.plug_origin()

    def exchange_afterwards(self) -> None:
        """Chunks still go from one to the other."""
        warm(self.giver, AFTERWARDS)
        self.nodes.unplug_origin()
        assert warm(self.taker, AFTERWARDS)["bytes"]["from_peers"] == len(DATA)
        self.nodes.plug_origin()


def put_models(nodes: Loopback) -> None:
    nodes.put("m/model.safetensors", DATA)
    nodes.put("rotated/model.safetensors", LONG)
    nodes.put("afterwards/model.safetensors", some_bytes(len(DATA), seed=3))
