"""Two halves of one stream: the first that ends takes the other with it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine


async def until_first(*halves: Coroutine[object, object, None]) -> None:
    """Run all at once until one returns or raises, which this then does as well. The others are cancelled, and gone."""
    tasks = [asyncio.ensure_future(half) for half in halves]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()
