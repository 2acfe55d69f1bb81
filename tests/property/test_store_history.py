"""Random histories of a store with two tiers, against a dictionary of bytes.

After every step: whatever the store says is PRESENT has the object's bytes; the tiers stay within their caps, counted
as du counts; the store's own counts agree; nobody in use or pinned was evicted. One object is larger than both tiers:
it lives there chunk by chunk; what a reader has begun to use, a pinned blob, and a complete one in use lose no chunk. A
crash ends a run in the middle of a write, at a random system call, and the next run goes on with what is on the file
system, under the same boot of the machine or another. Complete blobs move from the first tier to the second; others are
opened, evicted and pinned in the middle of it, and a crash may come at any call of a move. Rot flips a bit behind the
store's back: then the chunk must be found by `verify` or by the next boot.
"""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import ParamSpec, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from cachefs.errors import NoSpace
from cachefs.store import Blob, ChunkState, Store, TierSettings
from cachefs.store.oscalls import Calls, Step
from cachefs.types import BlobId, ByteRange
from tests.unit.store.world import CHUNK_BYTES, blob_id_of, content, described_with_crc, flip_bit, occupied_bytes

pytestmark = pytest.mark.expects_warnings  # rot is said

P = ParamSpec("P")
R = TypeVar("R")

SIZES = [0, 1, CHUNK_BYTES, 3 * CHUNK_BYTES + 5, 4 * CHUNK_BYTES, 6 * CHUNK_BYTES, 13 * CHUNK_BYTES + 9]
CONTENT = [content(size, seed) for seed, size in enumerate(SIZES)]
OBJECTS = [described_with_crc(f"o{number}", data) for number, data in enumerate(CONTENT)]
CAPACITIES = (
    90_000,
    130_000,
)  # two thirds of what all objects need, cold ones have to go; the last is larger than each

numbers = st.integers(0, len(OBJECTS) - 1)
picks = st.integers(0, 59)  # modulo what there is to choose from: 60 divides evenly by most counts


class Crash(BaseException):
    """The process is killed here."""


class Mortal(Calls):
    """After so many more calls that change something, the process dies; from then on nothing is written any more."""

    def __init__(self) -> None:
        self.calls_left: int | None = None
        self.interruptions: list[Callable[[], object]] = []
        """One before each of the next calls that copy a blob, which nobody holds a lock for."""

    def __call__(self, step: Step, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        if self.calls_left is not None and step not in {Step.FREE_SPACE, Step.DATA_MEASURE, Step.DATA_READ}:
            if self.calls_left == 0:
                raise Crash
            self.calls_left -= 1
        if step in {Step.COPY, Step.FLUSH} and self.interruptions:
            self.interruptions.pop(0)()
        return call(*args, **kwargs)


class StoreHistory(RuleBasedStateMachine):
    """See the module."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="mows-store-", dir="/dev/shm"))
        self.clock = itertools.count(1)
        self.boot = 1
        self.held: dict[int, Blob] = {}
        self.pinned: set[int] = set()
        self.using: list[tuple[int, range]] = []  # (object, chunks) that readers have begun to use
        self.safe: dict[int, set[int]] = {}  # chunks that were here after the last step, of what may lose none
        self.rotten: set[tuple[int, int]] = set()  # (object, chunk) whose bytes in the file are wrong
        self.start()

    @initialize(users=st.sets(numbers, min_size=1, max_size=3))
    def begin(self, users: set[int]) -> None:
        for number in sorted(users):
            self.acquire(number)

    def start(self) -> None:
        self.calls = Mortal()
        tiers = [TierSettings(self.root / f"tier{n}", capacity) for n, capacity in enumerate(CAPACITIES)]
        self.store = Store(
            tiers,
            chunk_bytes=CHUNK_BYTES,
            calls=self.calls,
            clock=lambda: float(next(self.clock)),
            boot_id=str(self.boot),
        )

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.root)

    @rule(number=numbers)
    def acquire(self, number: int) -> None:
        if number not in self.held:
            try:
                self.held[number] = self.store.acquire(OBJECTS[number])
            except NoSpace:
                assert self.store.statistics().no_space > 0
            self.forget_rot_of_the_gone()

    @rule(number=numbers)
    def release(self, number: int) -> None:
        if number in self.held:
            self.end_uses(number)
            self.safe.pop(number, None)
            self.held.pop(number).release()

    @precondition(lambda self: self.held)
    @rule(pick=picks, start=st.integers(0, 14 * CHUNK_BYTES), length=st.integers(1, 3 * CHUNK_BYTES))
    def begin_use(self, pick: int, start: int, length: int) -> None:
        number, blob = sorted(self.held.items())[pick % len(self.held)]
        chunks = blob.begin_use(span := ByteRange(start, start + length))
        assert (chunks is not None) == blob.resident(span)
        if chunks:
            self.using.append((number, chunks))

    @precondition(lambda self: self.using)
    @rule(pick=picks)
    def end_use(self, pick: int) -> None:
        number, chunks = self.using.pop(pick % len(self.using))
        self.held[number].end_use(chunks)

    @precondition(lambda self: self.absent_chunks())
    @rule(pick=picks, count=st.integers(1, 6), piece=st.sampled_from([1000, 4096, CHUNK_BYTES]))
    def write(self, pick: int, count: int, piece: int) -> None:
        for _ in range(count):
            if absent := self.absent_chunks():
                try:
                    self.write_chunk(*absent[pick % len(absent)], piece)
                except NoSpace:
                    assert self.store.statistics().no_space > 0

    @rule(number=numbers)
    def use_all_of_it(self, number: int) -> None:
        """As an engine does: what is complete and closed is what moves down."""
        if number not in self.held:
            self.acquire(number)
        if blob := self.held.get(number):
            with suppress(NoSpace):
                for chunk in range(blob.key.chunk_count):
                    if blob.state(chunk) is not ChunkState.PRESENT:
                        self.write_chunk(number, chunk, CHUNK_BYTES)
            self.release(number)

    @precondition(lambda self: self.absent_chunks())
    @rule(pick=picks, length=st.integers(0, CHUNK_BYTES - 1))
    def give_up_a_write(self, pick: int, length: int) -> None:
        absent = self.absent_chunks()
        number, chunk = absent[pick % len(absent)]
        with suppress(NoSpace):
            writer = self.held[number].write(chunk)
            self.rotten.discard((number, chunk))  # it is MISSING now
            writer.write(b"\xaa" * min(length, len(self.held[number].key.chunk_range(chunk))))  # from a failing source
            writer.abort()

    @precondition(lambda self: self.absent_chunks())
    @rule(pick=picks, calls=st.integers(0, 6), reboot=st.booleans())
    def crash_in_a_write(self, pick: int, calls: int, reboot: bool) -> None:
        absent = self.absent_chunks()
        self.calls.calls_left = calls
        with suppress(Crash, NoSpace):
            self.write_chunk(*absent[pick % len(absent)], 6000)
        self.restart(reboot)

    @rule(reboot=st.booleans())
    def restart(self, reboot: bool) -> None:
        """`close` writes nothing, so that this is a crash between two steps as well. The users come back."""
        self.calls.calls_left = 0
        self.store.close()
        users = sorted(self.held)
        self.held.clear()
        self.using.clear()
        self.safe.clear()
        self.pinned.clear()
        self.boot += reboot
        self.start()
        assert not (reboot and any(status.resident_bytes for status in self.store.blobs()))
        for number in users:
            self.acquire(number)

    @precondition(lambda self: self.suspect_chunks())
    @rule(pick=picks)
    def verify_chunk(self, pick: int) -> None:
        suspects = self.suspect_chunks()
        number, chunk = suspects[pick % len(suspects)]
        assert self.held[number].verify(chunk) == ((number, chunk) not in self.rotten)
        self.rotten.discard((number, chunk))

    @rule(number=numbers)
    def verify_blob(self, number: int) -> None:
        status = self.store.find(OBJECTS[number])
        if status is None:
            return
        bad = self.store.verify(status.blob_id)
        assert {(number, chunk) for chunk in bad} <= self.rotten
        self.safe.pop(number, None)
        self.rotten = {(n, chunk) for n, chunk in self.rotten if n != number}

    @precondition(lambda self: self.suspect_chunks())
    @rule(pick=picks)
    def rot(self, pick: int) -> None:
        """Only where nobody has looked yet in this boot: rot between the check and the use cannot be found."""
        suspects = self.suspect_chunks()
        number, chunk = suspects[pick % len(suspects)]
        self.rotten ^= {(number, chunk)}
        flip_bit(self.held[number].tier.path, self.held[number].blob_id, chunk * CHUNK_BYTES)

    @rule(number=numbers)
    def demote(self, number: int) -> None:
        self.use_all_of_it(number)
        before = self.places()
        untouchable = {blob_id_of(OBJECTS[number]) for number in self.held.keys() | self.pinned}
        moved = self.store.demote()
        after = self.places()
        went = {blob_id for blob_id in after if after[blob_id] != before[blob_id]}
        assert len(went) == moved
        assert all((before[blob_id], after[blob_id]) == (0, 1) for blob_id in went - untouchable)
        assert not went & untouchable
        assert moved or before == after
        self.forget_rot_of_the_gone()

    @rule(number=numbers, uses=st.lists(st.tuples(st.integers(0, 3), numbers), min_size=1, max_size=3))
    def use_during_a_move(self, number: int, uses: list[tuple[int, int]]) -> None:
        """Of what moves, or of another one."""
        self.use_all_of_it(number)
        kinds = (self.acquire, self.release, self.evict, self.pin)
        self.calls.interruptions = [partial(kinds[kind], number) for kind, number in uses]
        self.store.demote()
        self.calls.interruptions = []
        self.forget_rot_of_the_gone()

    @rule(number=numbers, calls=st.integers(0, 20), reboot=st.booleans())
    def crash_in_a_move(self, number: int, calls: int, reboot: bool) -> None:
        self.use_all_of_it(number)
        self.calls.calls_left = calls
        with suppress(Crash):
            self.store.demote()
        self.restart(reboot)

    @rule(number=numbers)
    def pin(self, number: int) -> None:
        if self.store.find(OBJECTS[number]):
            self.store.pin(blob_id_of(OBJECTS[number]))
            self.pinned.add(number)

    @rule(number=numbers)
    def unpin(self, number: int) -> None:
        self.store.unpin(blob_id_of(OBJECTS[number]))
        self.pinned.discard(number)
        self.safe.pop(number, None)

    @rule(number=numbers)
    def evict(self, number: int) -> None:
        here = self.store.find(OBJECTS[number]) is not None
        gone = self.store.evict(blob_id_of(OBJECTS[number]))
        assert gone == (here and number not in self.held and number not in self.pinned)
        self.forget_rot_of_the_gone()

    @invariant()
    def present_bytes_are_right(self) -> None:
        for number, blob in self.held.items():
            chunks = range(blob.key.chunk_count)
            spans = [blob.key.chunk_range(chunk) for chunk in chunks if blob.state(chunk) is ChunkState.PRESENT]
            assert blob.resident_bytes == sum(map(len, spans))
            for span in spans:
                assert os.pread(blob.fd, len(span), span.start) == CONTENT[number][span.start : span.stop]
                assert blob.resident(span)
            if blob.sealed:
                assert os.pread(blob.fd, 10**6, 0) == CONTENT[number]
                assert blob.resident(ByteRange(0, 10**6))

    @invariant()
    def what_is_used_pinned_or_complete_loses_no_chunk(self) -> None:
        for number, chunks in self.using:
            assert all(self.held[number].state(chunk) is ChunkState.PRESENT for chunk in chunks)
        for number, before in self.safe.items():
            assert all(self.held[number].state(chunk) is ChunkState.PRESENT for chunk in before)
        self.safe = {
            number: {chunk for chunk in range(blob.key.chunk_count) if blob.state(chunk) is ChunkState.PRESENT}
            for number, blob in self.held.items()
            if blob.sealed or number in self.pinned
        }

    @invariant()
    def caps_hold_and_counts_agree(self) -> None:
        for tier in self.store.statistics().tiers:
            assert tier.used_bytes == occupied_bytes(tier.path) <= tier.capacity_bytes
            assert tier.reserved_bytes == 0

    @invariant()
    def whoever_is_used_or_pinned_is_here(self) -> None:
        here = {status.blob_id: status for status in self.store.blobs()}
        for number in range(len(OBJECTS)):
            status = here.get(blob_id_of(OBJECTS[number]))
            assert (number in self.held) == bool(status and status.references)
            assert (number in self.pinned) == bool(status and status.pinned)

    def end_uses(self, number: int) -> None:
        for user, chunks in self.using:
            if user == number:
                self.held[number].end_use(chunks)
        self.using = [(user, chunks) for user, chunks in self.using if user != number]

    def chunks(self) -> list[tuple[int, int, ChunkState]]:
        """(object, chunk, state) of every blob that is held."""
        return [
            (number, chunk, blob.state(chunk))
            for number, blob in sorted(self.held.items())
            for chunk in range(blob.key.chunk_count)
        ]

    def absent_chunks(self) -> list[tuple[int, int]]:
        return [(number, chunk) for number, chunk, state in self.chunks() if state is not ChunkState.PRESENT]

    def suspect_chunks(self) -> list[tuple[int, int]]:
        return [(number, chunk) for number, chunk, state in self.chunks() if state is ChunkState.SUSPECT]

    def write_chunk(self, number: int, chunk: int, piece_bytes: int) -> None:
        span = self.held[number].key.chunk_range(chunk)
        data = memoryview(CONTENT[number])[span.start : span.stop]
        writer = self.held[number].write(chunk)
        for start in range(0, len(data), piece_bytes):
            writer.write(data[start : start + piece_bytes])
        writer.commit()
        self.rotten.discard((number, chunk))
        self.forget_rot_of_the_gone()

    def places(self) -> dict[BlobId, int]:
        """The number of each blob's tier."""
        return {status.blob_id: int(status.tier.name.removeprefix("tier")) for status in self.store.blobs()}

    def forget_rot_of_the_gone(self) -> None:
        """Blobs that were evicted, and chunks that were given up."""
        gone = {(number, chunk) for number, chunk, state in self.chunks() if state is ChunkState.MISSING}
        here = {number for number, info in enumerate(OBJECTS) if self.store.find(info) is not None}
        self.rotten = {(number, chunk) for number, chunk in self.rotten - gone if number in here}


TestStoreHistory = StoreHistory.TestCase
TestStoreHistory.settings = settings(max_examples=150, stateful_step_count=50)
