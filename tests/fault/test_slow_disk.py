"""A disk that takes long for each write: readers of what is here, and the loop, do not wait for it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

from cachefs.fetch import Fetcher
from cachefs.origin.memory import MemoryOrigin
from cachefs.store import Store, TierSettings
from cachefs.store.oscalls import Calls, Step
from tests.unit.fetch.kit import CHUNK, content, no_account, read, settings
from tests.waiting import until

P = ParamSpec("P")
R = TypeVar("R")
DATA = content(4 * CHUNK)


class StuckWrites(Calls):
    """Writes of data wait until the test lets them go on: longer than any disk takes."""

    def __init__(self) -> None:
        self.free = threading.Event()
        self.free.set()
        self.waiting = 0

    def __call__(self, step: Step, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        if step is Step.DATA_WRITE:
            self.waiting += not self.free.is_set()
            assert self.free.wait(60)
        return call(*args, **kwargs)


async def test_readers_of_other_blobs_and_the_loop_go_on(tmp_path: Path) -> None:
    calls, origin = StuckWrites(), MemoryOrigin()
    store = Store([TierSettings(tmp_path, 64 << 20)], chunk_bytes=CHUNK, calls=calls)
    async with Fetcher(store, settings()) as fetcher:
        warm = fetcher.open(origin.put("warm", DATA), origin, account=no_account)
        assert await read(warm, 0, len(DATA)) == DATA
        calls.free.clear()
        cold = fetcher.open(origin.put("cold", DATA[::-1]), origin, account=no_account)
        stuck = asyncio.create_task(read(cold, 0, len(DATA)))
        await until(lambda: calls.waiting > 0)
        assert await read(warm, 0, len(DATA)) == DATA
        again = fetcher.open(warm.info, origin, account=no_account)
        assert await read(again, CHUNK, CHUNK) == DATA[CHUNK : 2 * CHUNK]
        assert store.statistics().tiers[0].blobs == 2
        assert not stuck.done()
        calls.free.set()
        assert await stuck == DATA[::-1]
        for file in (warm, again, cold):
            file.close()
    store.close()
