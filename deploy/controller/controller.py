"""A reference deployment controller: service JSON files in, running instances on the best nodes out.

    python deploy/controller/controller.py --services DIR --node a=/run/mows/mows.sock --node b=https://b:9301

Each ``*.json`` in the directory is one service, written as for EAS; besides ``name`` and ``storage`` it has::

    "instances": 2,
    "command": ["python", "serve.py"],                            # finds $MODEL_PATH, and all mounts in $MOWS_MOUNTS
    "health": {"command": ["test", "-e", "ready"], "seconds": 60} # run until it succeeds

The life of one instance is `Controller._live`, from top to bottom. How many there should be is `plan`, a pure function
that is asked again every second: it scales, and it rolls to a changed service one instance at a time. What a real
controller has besides: processes on other machines, and a memory. When this one is gone, leases end its mounts.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import itertools
import json
import math
import os
import shutil
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from mows.client import AsyncClient, ClientError, Endpoint

TICK_SECONDS = 1.0
RETRY_SECONDS = 10.0  # after a failure that may pass by itself; after others, a service waits until its file changes
LEASE_SECONDS = 60.0  # how long a node keeps the mounts of a controller that is gone
STOP_SECONDS = 20.0  # from SIGTERM to SIGKILL


@dataclass(frozen=True)
class Service:
    """One service file."""

    name: str
    instances: int
    document: Mapping[str, Any]
    revision: str
    """Of all but the number of instances: another one is another model, or another way to serve it."""

    @classmethod
    def of(cls, document: dict[str, Any]) -> Service:
        """KeyError, TypeError or ValueError when it is none."""
        count = int(document.pop("instances", 1))
        revision = hashlib.blake2s(json.dumps(document, sort_keys=True).encode(), digest_size=3).hexdigest()
        return cls(document["name"], count, {"command": [], "storage": []} | document, revision)


@dataclass
class Node:
    """A machine with a daemon, and room for some instances."""

    name: str
    client: AsyncClient
    slots: int
    taken: int = 0


@dataclass(eq=False)
class Instance:
    """One instance of a service. `task` is its life."""

    name: str
    service: Service
    running: bool = False
    stopping: bool = False
    task: asyncio.Task[None] | None = None

    def say(self, text: str) -> None:
        """One line of the log."""
        print(f"{datetime.now().astimezone():%H:%M:%S}  {self.name:<20} {text}", flush=True)


def plan(wanted: Sequence[Service], have: Sequence[Instance]) -> tuple[list[Service], list[Instance]]:
    """Which services get one more instance (each as often as it is named), and which instances have to go."""
    names = {service.name for service in wanted}
    start: list[Service] = []
    stop = [one for one in have if one.service.name not in names]
    for service in wanted:
        here = [one for one in have if one.service.name == service.name and not one.stopping]
        new = [one for one in here if one.service.revision == service.revision]
        old = [one for one in here if one.service.revision != service.revision]
        # Old ones are replaced one at a time: one more than wanted, until it runs and an old one can go.
        most = service.instances + (1 if old else 0)
        start += [service] * min(service.instances - len(new), most - len(here))
        serving = len(old) + sum(one.running for one in new)
        stop += old[: max(0, serving - service.instances)] + new[service.instances :]
    return start, stop


class Controller:
    """Keeps what runs the same as what the files say."""

    def __init__(self, services: Path, nodes: Sequence[Node], work: Path) -> None:
        self._directory = services
        self._nodes = nodes
        self._work = work
        self._services: dict[Path, Service] = {}
        self._instances: list[Instance] = []
        self._numbers = itertools.count(1)
        self._placing = asyncio.Lock()  # guards Node.taken: two instances must not take the last slot
        self._not_before: dict[str, float] = {}
        """When a revision that has failed may be tried again, by the loop's clock."""

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`; then everything is released."""
        while not stop.is_set():
            self._read()
            self._follow(list(self._services.values()))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), TICK_SECONDS)
        self._follow([])
        await asyncio.gather(*(one.task for one in self._instances if one.task), return_exceptions=True)

    def _read(self) -> None:
        paths = set(self._directory.glob("*.json"))
        for path in paths:
            try:
                self._services[path] = Service.of(json.loads(path.read_text()))
            except (OSError, KeyError, TypeError, ValueError) as error:
                print(f"{path}: not a service, what it was before goes on: {error!r}", flush=True)
        self._services = {path: service for path, service in self._services.items() if path in paths}

    def _follow(self, wanted: Sequence[Service]) -> None:
        start, stop = plan(wanted, self._instances)
        for service in start:
            if self._not_before.get(service.revision, 0.0) <= asyncio.get_running_loop().time():
                instance = Instance(f"{service.name}-{service.revision}-{next(self._numbers)}", service)
                instance.task = asyncio.create_task(self._watch(instance))
                self._instances.append(instance)
        for instance in stop:
            if instance.task is not None and not instance.stopping:
                instance.stopping = True
                instance.task.cancel()

    async def _watch(self, instance: Instance) -> None:
        """Its life, and what to do when it fails."""
        pause_seconds = RETRY_SECONDS
        try:
            await self._live(instance)
        except ClientError as error:
            instance.say(f"failed: {error} ({error.code}). {error.hint}")
            pause_seconds = RETRY_SECONDS if error.retryable else math.inf
        except (OSError, TimeoutError) as error:
            instance.say(f"failed: {error!r}")
        except asyncio.CancelledError:
            return  # it was not wanted any more
        finally:
            self._instances.remove(instance)
        self._not_before[instance.service.revision] = asyncio.get_running_loop().time() + pause_seconds

    async def _live(self, instance: Instance) -> None:
        document, directory = instance.service.document, self._work / instance.name
        node = await self._best_node([entry["oss"]["path"] for entry in document["storage"] if "oss" in entry])
        request = {**document, "mows": {"lease": LEASE_SECONDS} | document.get("mows", {})}
        renewing = process = None
        try:
            instance.say(f"mounts on {node.name}")
            await node.client.put_instance(instance.name, request)
            renewing = asyncio.create_task(_renew(node, instance.name, request))
            ready = await node.client.wait_ready(instance.name)
            mounts = {mount.storage_path: mount.mount_path for mount in ready.mounts}
            own = {"INSTANCE": instance.name, "MOWS_MOUNTS": json.dumps(mounts)}
            environment = {**os.environ, **own, "MODEL_PATH": next(iter(mounts.values()), "")}
            instance.say(f"is mounted on {node.name}, starts {document['command'][0]}")
            directory.mkdir(parents=True)
            process = await asyncio.create_subprocess_exec(
                *document["command"], cwd=directory, env=environment, start_new_session=True
            )
            await _check(process, document.get("health"), directory, environment)
            instance.running = True
            instance.say(f"runs on {node.name}")
            raise ChildProcessError(f"its process ended by itself: {await process.wait()}")
        finally:
            instance.stopping = True  # from here on nobody cancels it
            if process is not None:
                await _end(process)
            if renewing is not None:
                renewing.cancel()
            with contextlib.suppress(ClientError):  # of a node that is gone, or comes back: the lease ends it there
                await node.client.delete_instance(instance.name)
            node.taken -= 1
            shutil.rmtree(directory, ignore_errors=True)
            instance.say(f"is released on {node.name}")

    async def _best_node(self, sources: Sequence[str]) -> Node:
        """The one with a free slot that is ready soonest, among equals the emptiest. Waits until there is one."""
        while True:
            async with self._placing:
                free = [node for node in self._nodes if node.taken < node.slots]
                seconds = await asyncio.gather(*(_seconds_to_ready(node, sources) for node in free))
                ranked = sorted(zip(seconds, free, strict=True), key=lambda row: (row[0], row[1].taken))
                if ranked:
                    ranked[0][1].taken += 1
                    return ranked[0][1]
            await asyncio.sleep(TICK_SECONDS)


async def _seconds_to_ready(node: Node, sources: Sequence[str]) -> float:
    """By what its cache holds and the rates it has measured; infinite when it cannot say."""
    try:
        answers = [await node.client.placement(source) for source in sources]
    except ClientError:
        return math.inf
    return max((math.inf if one.seconds_to_ready is None else one.seconds_to_ready for one in answers), default=0.0)


async def _renew(node: Node, name: str, request: Mapping[str, Any]) -> None:
    """Renew the lease, for as long as the instance lives."""
    while True:
        await asyncio.sleep(LEASE_SECONDS / 3)
        with contextlib.suppress(ClientError):
            await node.client.put_instance(name, request)


async def _check(
    process: asyncio.subprocess.Process, health: Mapping[str, Any] | None, cwd: Path, environment: Mapping[str, str]
) -> None:
    """Return when the startup check succeeds."""
    if health is None:
        return
    async with asyncio.timeout(float(health.get("seconds", 60))):
        while process.returncode is None:
            check = await asyncio.create_subprocess_exec(*health["command"], cwd=cwd, env=environment)
            if await check.wait() == 0:
                return
            await asyncio.sleep(TICK_SECONDS / 5)
    raise ChildProcessError(f"its process ended before it was ready: {process.returncode}")


async def _end(process: asyncio.subprocess.Process) -> None:
    """SIGTERM to the process and what it has started, then SIGKILL."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), STOP_SECONDS)
            return


async def main() -> None:
    """Until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(description="Run the services of a directory where their models are.")
    parser.add_argument("--services", type=Path, required=True, help="directory of service JSON files")
    parser.add_argument("--node", action="append", required=True, metavar="NAME=SOCKET|URL")
    parser.add_argument("--slots", type=int, default=8, help="instances a node has room for [8]")
    parser.add_argument("--work", type=Path, default=Path("/run/mows-controller"), help="working directories")
    parser.add_argument("--token-file", type=Path, help="file with the API token, for nodes with a URL")
    given = parser.parse_args()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with contextlib.AsyncExitStack() as stack:
        nodes = []
        for name, _, place in (word.partition("=") for word in given.node):
            where = {"url": place} if "://" in place else {"socket": Path(place)}
            client = AsyncClient(Endpoint(**where, token_file=given.token_file))
            nodes.append(Node(name, await stack.enter_async_context(client), given.slots))
        await Controller(given.services, nodes, given.work).run(stop)


if __name__ == "__main__":
    asyncio.run(main())
