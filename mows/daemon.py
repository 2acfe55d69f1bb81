"""One daemon as a process: runs it from its configuration until a signal, takes it apart in reverse order.

Nothing here is shared between two daemons, so that several run in one process. What it is built of stands in
`mows.core` and `mows.front`. Threads: the loop's, the device threads of each mount (`cachefs.fuse`), the fill threads
(`cachefs.fetch`), the watchdog's, the keeper's, and the loop's pool for blocking calls.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NoReturn

from cachefs.faults import PLAN_VARIABLE, Faults
from mows import logs
from mows.config import Config, load_config
from mows.core import Core, open_core
from mows.redaction import Redactor, secrets_of

log = logging.getLogger(__name__)

EXIT_OK = 0
EXIT_STUCK = 3

OpenFront = Callable[
    [Core, contextlib.AsyncExitStack, contextlib.AsyncExitStack, contextlib.AsyncExitStack], Awaitable[None]
]


def run(config_path: Path) -> int:
    """Run a daemon until SIGTERM or SIGINT; the exit code. Sets up the logs of this process.

    SIGTERM leaves the mounts that a keeper holds to the next daemon; SIGINT unmounts them. Raises ConfigError,
    DaemonRunning, StoreError when it cannot start.
    """
    config = load_config(config_path, os.environ)
    logs.configure(config.log.format, config.log.level, redact=Redactor(secrets_of(config)))
    asyncio.run(_run_until_signal(config, _planned_faults()))
    return EXIT_OK


def end_process(code: int) -> NoReturn:
    """End at once, without the interpreter's tidying up, which takes 0.3 s in which readers wait for the next daemon.

    For after `run`: nothing is left then that somebody would have to close.
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


async def serve(
    config: Config,
    stop: asyncio.Event,
    *,
    ready: Callable[[], object] = lambda: None,
    hand_over: Callable[[], bool] = lambda: False,
    faults: Faults | None = None,
) -> None:
    """Run one daemon on the running loop until `stop` is set; `ready` is called when the API answers.

    At the end mounts are unmounted; where `hand_over()` says so, those that a keeper holds are left to the next daemon.
    `faults` are what is to go wrong on purpose. Raises as `run`.

    On return nothing is left: no thread, descriptor, socket or task, and no mount that was not handed over.
    """
    async with contextlib.AsyncExitStack() as outer, contextlib.AsyncExitStack() as stack:
        core = await open_core(config, faults, outer, stack)
        servers = await stack.enter_async_context(contextlib.AsyncExitStack())
        # A daemon that cannot start is no reason to take mounts away: its configuration can be mended.
        stack.push_async_callback(lambda: core.mounts.close(hand_over=hand_over() or not stop.is_set()))
        await core.mounts.restore()
        stack.push_async_callback(core.instances.close)
        await core.instances.restore()
        open_front = await asyncio.to_thread(_load_front)
        await open_front(core, outer, servers, stack)
        ready()
        await stop.wait()
        logs.event(log, "stopping", node=config.node.id)
    logs.event(log, "stopped", node=config.node.id)


def _planned_faults() -> Faults | None:
    if PLAN_VARIABLE not in os.environ:
        return None
    from mows.faults import planned_faults  # noqa: PLC0415 it knows every label, and so loads the peers

    return planned_faults(os.environ)


def _load_front() -> OpenFront:
    """Half a second in which restored mounts are served already."""
    import cachefs.origin.opening  # noqa: F401, PLC0415 first: readers of what is not cached wait for it
    from mows.front import open_front  # noqa: PLC0415

    return open_front


async def _run_until_signal(config: Config, faults: Faults | None) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    received: list[signal.Signals] = []

    def begin_to_stop(number: signal.Signals) -> None:
        if not stop.is_set():
            received.append(number)
            stop.set()
            loop.call_later(config.daemon.stop_timeout, _give_up, config.daemon.stop_timeout)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, begin_to_stop, number)
    await serve(config, stop, hand_over=lambda: received == [signal.SIGTERM], faults=faults)


def _give_up(timeout_seconds: float) -> None:
    """End the process, whatever still runs: a thread that hangs in the kernel cannot be ended otherwise."""
    log.error(
        "the daemon did not stop within %g s (daemon.stop_timeout): giving up; mounts may be left", timeout_seconds
    )
    logging.shutdown()
    os._exit(EXIT_STUCK)
