"""Waiting, stopping and closing of a connection."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest

from cachefs.errors import FuseUnavailable, MountError
from cachefs.fuse import abi, handshake
from cachefs.fuse.abi import InitFlag, Opcode
from cachefs.fuse.device import Device, DeviceClosed
from cachefs.fuse.handshake import shake_hands
from cachefs.fuse.notify import Notifier
from cachefs.fuse.threads import DeviceThreads
from cachefs.types import Ino
from tests.unit.fuse.kernel import FakeKernel

OFFERED = InitFlag.ASYNC_READ | InitFlag.MAX_PAGES | InitFlag.INIT_EXT | InitFlag.PASSTHROUGH


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def init(major: int, minor: int) -> bytes:
    return abi.INIT_IN.pack(major, minor, 131072, OFFERED & 0xFFFFFFFF) + (OFFERED >> 32).to_bytes(48, "little")


def test_requests_reach_the_threads_and_stop_ends_them() -> None:
    before = descriptors()
    seen: list[bytes] = []
    arrived = threading.Semaphore(0)

    def handle(message: memoryview) -> None:
        seen.append(bytes(message))
        arrived.release()

    with FakeKernel() as kernel:
        threads = DeviceThreads(kernel.device, handle, 3, "test")
        threads.start()
        sent = [kernel.message(Opcode.LOOKUP, b"name\0") for _ in range(20)]
        for message in sent:
            kernel.send(message)
        for _ in sent:
            assert arrived.acquire(timeout=30)
        threads.stop()
        assert threads.join(0)
    assert sorted(seen) == sorted(sent)
    assert descriptors() == before


def test_a_handler_that_raises_does_not_end_its_thread(caplog: pytest.LogCaptureFixture) -> None:
    arrived = threading.Semaphore(0)

    def handle(message: memoryview) -> None:
        arrived.release()
        raise ZeroDivisionError

    with FakeKernel() as kernel:
        threads = DeviceThreads(kernel.device, handle, 1, "test")
        threads.start()
        for _ in range(2):
            kernel.send(kernel.message(Opcode.LOOKUP))
            assert arrived.acquire(timeout=30)
        threads.stop()
    assert caplog.text.count("could not be served") == 2


def test_a_waiting_receiver_times_out() -> None:
    with FakeKernel() as kernel, kernel.device.receiver() as receiver:
        assert receiver.receive(memoryview(bytearray(100)), 0.0) is None


def test_nothing_works_after_close() -> None:
    with FakeKernel() as kernel:
        device = kernel.device
        device.close()
        assert not device.send(b"x")
        device.backing_close(1)
        device.stop_receivers()
        with pytest.raises(DeviceClosed):
            device.receiver()
        with pytest.raises(DeviceClosed):
            device.backing_open(0)


def test_errors_of_the_device_are_seen(tmp_path: Path) -> None:
    device = Device(os.open(tmp_path, os.O_RDONLY))
    with pytest.raises(OSError, match="Bad file descriptor"):
        device.send(b"x")
    with pytest.raises(IsADirectoryError):
        device.receive(memoryview(bytearray(10)))
    with pytest.raises(OSError, match="Inappropriate ioctl"):
        device.backing_open(0)
    device.close()


@pytest.mark.parametrize("wanted", [True, False])
def test_handshake(wanted: bool) -> None:
    with FakeKernel() as kernel:
        kernel.send(kernel.message(Opcode.INIT, init(7, 45)))
        assert shake_hands(kernel.device, passthrough=wanted).passthrough is wanted
        assert abi.INIT_OUT.unpack(kernel.answer()[2])[:2] == (7, 45)


def test_a_newer_kernel_asks_again() -> None:
    with FakeKernel() as kernel:
        kernel.send(kernel.message(Opcode.INIT, init(8, 1)))
        kernel.send(kernel.message(Opcode.INIT, init(7, 99)))
        assert shake_hands(kernel.device, passthrough=True).minor == abi.KERNEL_MINOR
        assert [abi.INIT_OUT.unpack(kernel.answer()[2])[:2] for _ in range(2)] == [(7, 1), (7, 45)]


def test_a_kernel_that_is_too_old_is_told_and_named() -> None:
    with FakeKernel() as kernel:
        kernel.send(kernel.message(Opcode.INIT, init(7, 30)))
        with pytest.raises(FuseUnavailable, match=r"FUSE 7\.30") as caught:
            shake_hands(kernel.device, passthrough=True)
        assert caught.value.hint == "use Linux 5.4 or later"
        assert kernel.answer()[1] == errno.EPROTO


def test_a_connection_that_begins_wrongly_or_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeKernel() as kernel:
        kernel.send(kernel.message(Opcode.LOOKUP, b"x\0"))
        with pytest.raises(MountError, match="instead of INIT"):
            shake_hands(kernel.device, passthrough=True)
        monkeypatch.setattr(handshake, "HANDSHAKE_SECONDS", 0.0)
        with pytest.raises(MountError, match="sent no INIT"):
            shake_hands(kernel.device, passthrough=True)


def test_notifications_are_sent_in_order_and_before_the_end() -> None:
    with FakeKernel() as kernel:
        notifier = Notifier(kernel.device, "notify")
        notifier.start()
        notifier.invalidate_inode(Ino(5))
        notifier.invalidate_entry(Ino(1), b"name")
        notifier.stop()
        codes = [-kernel.answer()[1] for _ in range(2)]
    assert codes == [abi.NotifyCode.INVAL_INODE, abi.NotifyCode.INVAL_ENTRY]
