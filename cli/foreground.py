"""``mows mount --foreground``: a mount that lives as long as the command.

With a daemon running it is a mount of that daemon, unmounted at the end. Without one, a daemon is started in this very
process, with a cache of its own or with the configuration that was named, and everything goes with it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cli.cache_errors import translated
from cli.client import connect
from cli.embedded import default_config
from cli.endpoint import Endpoint
from cli.errors import CliError, DaemonUnreachable
from cli.mounting import Wanted, begin, emit_mount, wait
from cli.options import Invocation
from cli.output import emit_note
from mows import daemon, logs
from mows.config import Config, load_config

ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run(invocation: Invocation, wanted: Wanted, config_path: Path | None) -> None:
    """Mount, stay until Ctrl-C or SIGTERM, unmount. Raises CliError when it cannot be mounted; then nothing is left."""
    if config_path is None and is_running(invocation.endpoint):
        through_daemon(invocation, wanted)
        return
    with translated(), _config(config_path, Path(wanted.mount_path)) as config:
        logs.configure(config.log.format, config.log.level)
        asyncio.run(_serve(config, wanted, as_json=invocation.as_json))


def is_running(endpoint: Endpoint) -> bool:
    """Whether a daemon answers there. Raises where one is meant, but this user cannot get at it."""
    try:
        with connect(endpoint) as api:
            api.health()
    except DaemonUnreachable:
        if endpoint.url or (endpoint.socket.exists() and not os.access(endpoint.socket, os.W_OK)):
            raise
        return False
    return True


def through_daemon(invocation: Invocation, wanted: Wanted) -> None:
    """The mount of a running daemon, for as long as this command lives."""
    with connect(invocation.endpoint) as api, _ended_by_signals():
        try:
            emit_mount(wait(api, wanted, begin(api, wanted), quiet=invocation.as_json), as_json=invocation.as_json)
            emit_note("Ctrl-C unmounts")
            while True:
                time.sleep(1.0)  # not pause(): it would sleep through a signal that comes just before it
        except KeyboardInterrupt:
            pass
        finally:
            api.delete_mount(wanted.mount_id)


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """SIGTERM is as good as Ctrl-C."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _config(path: Path | None, mount_path: Path) -> Iterator[Config]:
    if path is not None:
        yield load_config(path, os.environ)
        return
    with default_config(mount_path, os.environ) as config:
        yield config


async def _serve(config: Config, wanted: Wanted, *, as_json: bool) -> None:
    """Run the daemon, mount through its API from a thread, and stop it on a signal or when the mount fails."""
    stop, ready = asyncio.Event(), asyncio.Event()
    for number in ENDING_SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    serving = asyncio.create_task(daemon.serve(config, stop, ready=ready.set), name="embedded daemon")
    serving.add_done_callback(lambda _: ready.set())  # one that cannot start never says that it is ready
    try:
        await ready.wait()
        if not serving.done():
            await _mount(Endpoint(config.api.socket), wanted, stop, as_json=as_json)
        await serving
    finally:
        stop.set()
        await asyncio.wait({serving})


async def _mount(endpoint: Endpoint, wanted: Wanted, stop: asyncio.Event, *, as_json: bool) -> None:
    try:
        await asyncio.to_thread(_mount_and_tell, endpoint, wanted, as_json=as_json)
    except CliError:
        # A daemon that stops answers a waiting request with an error: that is Ctrl-C's doing, and no failure.
        if not stop.is_set():
            raise


def _mount_and_tell(endpoint: Endpoint, wanted: Wanted, *, as_json: bool) -> None:
    with connect(endpoint) as api:
        emit_mount(wait(api, wanted, begin(api, wanted), quiet=as_json), as_json=as_json)
    emit_note("the embedded daemon's cache ends with this command; Ctrl-C unmounts")
