"""Answers to reads: once, from any thread, and harmless when nobody waits."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cachefs.fuse.abi import MAX_READ_BYTES
from cachefs.fuse.replies import KernelReply, Replies, Unanswered
from cachefs.fuse.statistics import Counters
from tests.unit.fuse.kernel import FakeKernel

pytestmark = pytest.mark.expects_warnings  # a reply that fails is logged


@pytest.fixture
def kernel() -> Iterator[FakeKernel]:
    with FakeKernel() as kernel:
        yield kernel


@pytest.fixture
def counters() -> Counters:
    return Counters()


@pytest.fixture
def replies(kernel: FakeKernel, counters: Counters) -> Replies:
    return Replies(kernel.device, counters)


@pytest.fixture
def fd(tmp_path: Path) -> Iterator[int]:
    path = tmp_path / "file"
    path.write_bytes(os.urandom(MAX_READ_BYTES + 100))
    fd = os.open(path, os.O_RDONLY)
    yield fd
    os.close(fd)


def test_bytes_of_a_file(kernel: FakeKernel, replies: Replies, fd: int, counters: Counters) -> None:
    for offset, length in ((0, MAX_READ_BYTES), (37, 1), (100, MAX_READ_BYTES), (5, 0)):
        replies.expect(4).file(fd, offset, length)
        assert kernel.answer() == (4, 0, os.pread(fd, length, offset))
    assert counters.snapshot().delivered_bytes == 2 * MAX_READ_BYTES + 1


@pytest.mark.parametrize("data", [b"bytes", bytearray(b"array"), memoryview(b"a view")[2:]])
def test_bytes_of_memory(kernel: FakeKernel, replies: Replies, data: bytes | bytearray | memoryview) -> None:
    replies.expect(5).data(data)
    assert kernel.answer() == (5, 0, bytes(data))


def test_an_error(kernel: FakeKernel, replies: Replies, counters: Counters) -> None:
    replies.expect(6).error(errno.ESTALE)
    assert kernel.answer() == (6, errno.ESTALE, b"")
    assert counters.snapshot().errors == 1


def test_a_file_that_is_too_short_is_no_answer_and_not_the_end(kernel: FakeKernel, replies: Replies, fd: int) -> None:
    reply = replies.expect(7)
    assert "the file ends at" in str(reply.file(fd, MAX_READ_BYTES, 200))
    assert kernel.is_silent()
    reply.data(b"from elsewhere")
    assert kernel.answer() == (7, 0, b"from elsewhere")


def test_a_descriptor_that_fails_is_no_answer(kernel: FakeKernel, replies: Replies) -> None:
    reply = replies.expect(8)
    assert isinstance(reply.file(-1, 0, 10), OSError)
    reply.error(errno.EIO)
    assert kernel.answer() == (8, errno.EIO, b"")


def test_only_the_first_answer_is_sent(kernel: FakeKernel, replies: Replies, fd: int) -> None:
    reply = replies.expect(9)
    reply.data(b"first")
    reply.data(b"second")
    reply.file(fd, 0, 10)
    reply.error(errno.EIO)
    assert kernel.answer() == (9, 0, b"first")
    assert kernel.is_silent()


def test_an_interrupt_and_an_answer_race_and_one_wins(kernel: FakeKernel, replies: Replies) -> None:
    def interrupt(unique: int, start: threading.Barrier) -> bool:
        start.wait()
        return replies.interrupt(unique)

    def answer(reply: KernelReply, start: threading.Barrier) -> None:
        start.wait()
        reply.data(b"x")

    with ThreadPoolExecutor(2) as pool:
        for unique in range(10, 210):
            reply, start = replies.expect(unique), threading.Barrier(2)
            interrupted = pool.submit(interrupt, unique, start)
            pool.submit(answer, reply, start).result()
            assert kernel.answer() == ((unique, errno.EINTR, b"") if interrupted.result() else (unique, 0, b"x"))
    assert kernel.is_silent()


def test_a_reply_after_the_end_is_swallowed(kernel: FakeKernel, replies: Replies, fd: int) -> None:
    late = [replies.expect(unique) for unique in range(3)]
    kernel.device.close()
    late[0].file(fd, 0, 10)
    late[1].data(b"x")
    late[2].error(errno.EIO)


def test_what_is_left_to_the_next_daemon_is_not_answered(kernel: FakeKernel, replies: Replies) -> None:
    replies.expect(1).data(b"")
    assert kernel.answer()[0] == 1
    late = [replies.expect(unique) for unique in (2, 3)]
    assert replies.leave_all() == 2
    assert not any(reply.error(errno.EINTR) for reply in late)
    assert kernel.is_silent()
    assert replies.leave_all() == replies.wait_for_none(0.0) == 0


def test_everything_that_waits_can_be_failed_at_once(kernel: FakeKernel, replies: Replies) -> None:
    late = [replies.expect(unique) for unique in range(20, 23)]
    replies.fail_all(errno.EIO)
    assert sorted(kernel.answer() for _ in late) == [(unique, errno.EIO, b"") for unique in range(20, 23)]
    for reply in late:
        reply.data(b"x")
    assert kernel.is_silent()


def test_unanswered_is_taken_once() -> None:
    unanswered = Unanswered()
    unanswered.add(1)
    unanswered.add(2)
    assert [unanswered.take(1), unanswered.take(1), unanswered.take(3)] == [True, False, False]
    assert unanswered.take_all() == {2}
    assert len(unanswered) == 0


def test_waiting_for_the_answers_that_are_owed(kernel: FakeKernel, replies: Replies) -> None:
    assert replies.wait_for_none(0.0) == 0
    first, second = replies.expect(1), replies.expect(2)
    first.data(b"")
    assert replies.wait_for_none(0.0) == 1
    waiting = threading.Thread(target=replies.wait_for_none, args=(30.0,))
    waiting.start()
    second.error(errno.EIO)
    waiting.join()
    assert replies.wait_for_none(0.0) == 0
    replies.expect(3)
    replies.fail_all(errno.EIO)
    assert replies.wait_for_none(0.0) == 0
    assert [kernel.answer()[0] for _ in range(3)] == [1, 2, 3]


def test_a_read_that_is_being_answered_is_waited_for() -> None:
    unanswered = Unanswered()
    unanswered.add(1)
    assert unanswered.take(1)
    assert unanswered.wait_for_none(0.0) == 1
    unanswered.sent()
    assert unanswered.wait_for_none(0.0) == 0
