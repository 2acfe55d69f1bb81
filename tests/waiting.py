"""Waiting for what a test cannot await."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


async def until(condition: Callable[[], object]) -> None:
    """Return when it holds. A test looks from outside; the time limit of the run is the only one."""
    while not condition():  # noqa: ASYNC110 - there is no event
        await asyncio.sleep(0.001)
