"""Look at something again and again while something else happens, on a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


@contextmanager
def sampled(look: Callable[[], T], interval_seconds: float) -> Iterator[list[T]]:
    """What `look()` answers while the block runs: at its start, every `interval_seconds`, and at its end.

    Inside the block the list is the thread's; complete, with the last look, it is after the block. A block that fails
    gets no last look. Leaving waits for the thread.
    """
    samples, stop = [look()], threading.Event()

    def run() -> None:
        while not stop.wait(interval_seconds):
            samples.append(look())

    thread = threading.Thread(target=run, name="mows-sampler")
    thread.start()
    try:
        yield samples
    finally:
        stop.set()
        thread.join()
    samples.append(look())
