"""Waiting for what a test cannot await."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

WAIT_SECONDS = 60.0
"""Only so that a broken test fails instead of hanging."""


async def until(condition: Callable[[], object]) -> None:
    """Return when it holds. A test looks from outside; the time limit of the run is the only one."""
    while not condition():  # noqa: ASYNC110 - there is no event
        await asyncio.sleep(0.001)


def eventually(condition: Callable[[], object], what: str) -> None:
    """Wait until `condition` holds; AssertionError naming `what` when it does not in a long time."""
    end = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < end, f"not within {WAIT_SECONDS:g} s: {what}"
        time.sleep(0.01)
