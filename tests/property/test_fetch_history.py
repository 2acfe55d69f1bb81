"""Any history of opens, reads, warm-ups, faults, damage and evictions, against plain bytes.

A read that is answered with data is answered with the right bytes; one that fails does so because of a fault that was
injected; everything is answered exactly once; and what was fetched is what the counters say.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import shutil
import tempfile
import threading
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from cachefs.errors import NoSpace, OriginDenied, OriginThrottled, OriginUnavailable
from cachefs.fetch import CachedFile, Fetcher
from cachefs.origin.memory import MemoryOrigin
from tests.unit.fetch import kit
from tests.unit.fetch.kit import CHUNK, Fault, Reply, ScriptedOrigin, breaks_after, content, dribbles, fails, open_store
from tests.waiting import until

SIZES = [0, 1, CHUNK, 3 * CHUNK + 7, 12 * CHUNK]
NAMES = ["a.safetensors", "b.bin", "c.json", "d.dat", "e.safetensors"]

MENDABLE: list[Fault] = [
    fails(OriginUnavailable("reset")),
    fails(OriginThrottled("slow down", retry_after_seconds=0.0001)),
    breaks_after(CHUNK + 1, OriginUnavailable("reset in mid-body")),
    breaks_after(100),
    dribbles,
]


class FetchHistory(RuleBasedStateMachine):
    """The model is the dict of bytes; the loop runs while a rule waits for it."""

    @initialize(capacity=st.sampled_from([2 * CHUNK, 10 * CHUNK, 100 * CHUNK]))
    def start(self, capacity: int) -> None:
        logging.getLogger("cachefs").setLevel(logging.CRITICAL)
        self.root = Path(tempfile.mkdtemp(prefix="fetch-history-"))
        self.loop = asyncio.new_event_loop()
        self.memory = MemoryOrigin()
        self.origin = ScriptedOrigin(self.memory)
        self.store = open_store(self.root, capacity_bytes=capacity)
        self.model = {name: content(size, seed=i) for i, (name, size) in enumerate(zip(NAMES, SIZES, strict=True))}
        self.infos = {name: self.memory.put(name, data) for name, data in self.model.items()}
        self.files: list[tuple[str, CachedFile]] = []
        self.replies: list[Reply] = []
        self.accounted = 0
        self.lock = threading.Lock()  # guards accounted
        self.fetcher = self.loop.run_until_complete(self._fetcher())

    @rule(name=st.sampled_from(NAMES))
    def open(self, name: str) -> None:
        after = [self.infos[other] for other in NAMES[NAMES.index(name) + 1 :]]
        file = self.fetcher.open(self.infos[name], self.origin, account=self._account, following=lambda: after)
        self.files.append((name, file))

    @precondition(lambda self: self.files)
    @rule(data=st.data())
    def read(self, data: st.DataObject) -> None:
        """Up to six reads at once, of whatever is open."""
        reads = data.draw(st.lists(self._reads(), min_size=1, max_size=6))
        replies = [self._ask(number, offset, size) for number, offset, size in reads]
        self.loop.run_until_complete(self._answered(replies))
        for (number, offset, size), reply in zip(reads, replies, strict=True):
            name, _ = self.files[number]
            assert reply.wait() == self.model[name][offset : offset + size]

    @precondition(lambda self: self.files)
    @rule(data=st.data())
    def read_while_denied(self, data: st.DataObject) -> None:
        """What is here is given; the rest is denied, and that is not remembered."""
        number, offset, size = data.draw(self._reads())
        self.origin.always = fails(OriginDenied("no"))
        reply = self._ask(number, offset, size)
        self.loop.run_until_complete(self._answered([reply]))
        self.origin.always = None
        name, _ = self.files[number]
        assert reply.wait() in (self.model[name][offset : offset + size], errno.EACCES)

    @rule(name=st.sampled_from(NAMES))
    def warm(self, name: str) -> None:
        evicted = self._evicted()
        try:
            self.loop.run_until_complete(self.fetcher.warm(self.infos[name], self.origin, account=self._account))
        except NoSpace:
            pass  # the only reason there is for it not to succeed
        else:
            found = self.fetcher.resident_bytes(self.infos[name])
            # Nothing holds it: what is read ahead for others may have taken its place by now.
            assert found == len(self.model[name]) or self._evicted() != evicted

    @rule(faults=st.lists(st.sampled_from(MENDABLE), max_size=5))
    def the_origin_misbehaves(self, faults: list[Fault]) -> None:
        self.origin.faults.extend(faults)

    @precondition(lambda self: self.files)
    @rule(data=st.data())
    def close(self, data: st.DataObject) -> None:
        _, file = self.files.pop(data.draw(st.integers(0, len(self.files) - 1)))
        file.close()
        self.loop.run_until_complete(asyncio.sleep(0))

    @rule(name=st.sampled_from(NAMES))
    def evict(self, name: str) -> None:
        """Refused while the blob is in use, which is not the point here: nobody may notice either way."""
        self.store.evict(self.fetcher.blob_id(self.infos[name]))

    @rule(name=st.sampled_from(NAMES), where=st.floats(0, 1, exclude_max=True))
    def the_disk_rots_and_an_operator_verifies(self, name: str, where: float) -> None:
        self.loop.run_until_complete(self._at_rest())
        status = self.store.find(self.infos[name])
        if status is None or not status.sealed or not status.resident_bytes:
            return
        path = status.tier / "blobs" / status.blob_id[:2] / status.blob_id / "data"
        offset = int(where * status.resident_bytes)
        with path.open("r+b") as raw:
            raw.seek(offset)
            good = raw.read(1)
            raw.seek(offset)
            raw.write(bytes([good[0] ^ 0xFF]))
        assert self.store.verify(status.blob_id) == [offset // CHUNK]

    @invariant()
    def no_reply_was_answered_twice(self) -> None:
        assert all(len(reply.answers) <= 1 for reply in getattr(self, "replies", []))

    def teardown(self) -> None:
        if not hasattr(self, "fetcher"):
            return
        for _, file in self.files:
            file.close()
        self.loop.run_until_complete(self.fetcher.aclose())
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()
        found = self.fetcher.statistics()
        assert found.bytes_by_source.get("origin", 0) == self.accounted
        assert found.in_flight_memory_bytes == found.spans_in_flight == 0
        assert all(status.references == 0 for status in self.store.blobs())
        self.store.close()
        shutil.rmtree(self.root)
        logging.getLogger("cachefs").setLevel(logging.NOTSET)

    def _reads(self) -> st.SearchStrategy[tuple[int, int, int]]:
        offset = st.integers(0, 13 * CHUNK)
        return st.tuples(st.integers(0, len(self.files) - 1), offset, st.integers(0, 3 * CHUNK))

    def _ask(self, number: int, offset: int, size: int) -> Reply:
        reply = Reply()
        self.replies.append(reply)
        self.files[number][1].read(offset, size, reply)
        return reply

    def _account(self, _source: str, count: int) -> None:
        with self.lock:
            self.accounted += count

    def _evicted(self) -> tuple[int, int]:
        found = self.store.statistics()
        return found.evictions, found.evicted_chunks

    async def _fetcher(self) -> Fetcher:
        return Fetcher(self.store, kit.settings(memory_bytes=16 * CHUNK))

    async def _at_rest(self) -> None:
        """No thread of the fetcher is at work, so that it evicts nothing until the loop runs again."""
        await until(lambda: self.fetcher.statistics().spans_in_flight == 0)

    async def _answered(self, replies: list[Reply]) -> None:
        await until(lambda: all(reply.answers for reply in replies))


TestFetchHistory = FetchHistory.TestCase
TestFetchHistory.settings = settings(max_examples=40, stateful_step_count=25)
