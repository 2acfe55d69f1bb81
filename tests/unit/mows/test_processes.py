"""The end of a process is told once, and a later one with its id is not taken for it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from mows.errors import ProcessNotFound
from mows.processes import ProcessWatch


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as running:
        yield running
        running.kill()


async def test_the_end_is_told_once(child: subprocess.Popen[bytes]) -> None:
    ended = asyncio.Event()
    watch = ProcessWatch(child.pid, ended.set)
    child.kill()  # it is a zombie then, until it is waited for: that is an end, too
    await ended.wait()
    watch.close()
    watch.close()
    with pytest.raises(ProcessNotFound, match="has ended"):
        ProcessWatch(child.pid, ended.set)


async def test_a_watch_that_is_closed_tells_nothing(child: subprocess.Popen[bytes]) -> None:
    before = len(os.listdir("/proc/self/fd"))
    watch = ProcessWatch(child.pid, lambda: pytest.fail("told"))
    watch.close()
    assert len(os.listdir("/proc/self/fd")) == before
    child.kill()
    child.wait()
    await asyncio.sleep(0)


async def test_it_is_the_same_process_only_with_the_same_start(child: subprocess.Popen[bytes]) -> None:
    watch = ProcessWatch(child.pid, lambda: None)
    watch.close()
    ProcessWatch(child.pid, lambda: None, started=watch.process.started).close()
    with pytest.raises(ProcessNotFound):
        ProcessWatch(child.pid, lambda: None, started=watch.process.started + 1)


@pytest.mark.parametrize("pid", [4_194_303, 1 << 40])
async def test_a_process_that_is_not_there(pid: int) -> None:
    with pytest.raises(ProcessNotFound, match=f"process {pid}: "):
        ProcessWatch(pid, lambda: None)
