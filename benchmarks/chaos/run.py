"""One run: set everything up, let the schedule happen under load, heal, read all once more, take down, look around."""

from __future__ import annotations

import heapq
import json
import os
import secrets
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path

from benchmarks.chaos.acting import MOUNT_ID, SOURCE, Actor, Origin
from benchmarks.chaos.events import Schedule
from benchmarks.chaos.hygiene import found_in_output, left_behind
from benchmarks.chaos.judging import judge
from benchmarks.chaos.procfs import MARK, Holdings, holdings
from benchmarks.chaos.result import Result
from benchmarks.chaos.settings import MOST_STALL_SECONDS, OBJECTS, Scale
from benchmarks.chaos.supervised import Supervised
from benchmarks.chaos.watching import Readers
from benchmarks.lab.fleet import PEER_PORT, TOKEN, Fleet, FleetSettings
from benchmarks.lab.network import Lab, LabSettings
from benchmarks.node.daemon import Daemon, DaemonRefused
from benchmarks.node.processes import Child, python
from benchmarks.node.resources import Resources
from cachefs.fetch.settings import FetchSettings

ANSWERS = ("/mounts", "/cache/blobs", "/peers", "/debug/dump")
"""What is kept of a daemon's API before everything is taken down."""
TICK_SECONDS = 0.05
PASS_SECONDS = 180.0
"""For the last pass of all readers, on a busy machine."""
SETTLE_SECONDS = 30.0
"""For a daemon to let go of what nobody uses any more."""
MORE_SOCKETS = 64
"""Connections to the origin and to peers that are kept for the next request: `origins[].max_connections`, and lanes."""
MORE_THREADS = 2 * FetchSettings().max_concurrency + 40
"""Pools of threads grow once, to a bound: that of the fills, which is the largest, lanes, and the loop's own."""


class Run:
    """One run, owned by `resources`. `room` and `disks` are empty directories, in memory and on a disk."""

    def __init__(self, resources: Resources, schedule: Schedule, scale: Scale, *, room: Path, disks: Path) -> None:
        self.began = 0.0
        """When the schedule began, on the readers' clock."""
        self._resources = resources
        self._schedule = schedule
        self._scale = scale
        self._room = room
        self._disks = disks
        self._mark = secrets.token_hex(8)
        self._failures: list[str] = []
        self._relay: Child | None = None
        os.environ[MARK] = self._mark  # all children inherit it

    def play(self) -> Result:
        """All of it. NodeError when it cannot be brought to its end."""
        started = time.monotonic()
        self._set_up()
        readers = self._readers()
        happened = self._happen(readers)
        self._heal()
        _say("heal, and read everything once more ...")
        summaries = readers.finish(self._origin.versions, PASS_SECONDS + MOST_STALL_SECONDS)
        readers.stop()
        self._actor.close()
        fired, restarts = self._nodes.fired(), self._nodes.restarts
        self._take_down()
        return Result(
            schedule=self._schedule,
            seconds=time.monotonic() - started,
            happened=happened,
            fired=fired,
            readers=summaries,
            verdict=judge(readers.troubles(), self._actor.excuses),
            restarts=restarts,
            failures=[*self._failures, *readers.failures, *self._actor.refused],
        )

    # ------------------------------------------------------------------ set up

    def _set_up(self) -> None:
        _say("set up ...")
        scale, schedule = self._scale, self._schedule
        self._lab = self._resources.enter(
            Lab(LabSettings(nodes=scale.nodes, link_bits_per_second=scale.link_bits_per_second))
        )
        keys = {"provider": "file", "path": str(self._room / "keys.json")}
        fleet = Fleet(
            self._resources,
            self._lab,
            FleetSettings(
                directory=self._room,
                capacity_bytes=scale.memory_bytes,
                chunk_bytes=scale.chunk_bytes,
                discovery="redis" if schedule.redis else "static",
                sections=scale.sections(),
                credentials=keys,
            ),
        )
        self._origin = Origin(fleet.start_origin(), self._room)
        self._origin.rotate()
        for name in OBJECTS:
            self._origin.put(name)
        lies = self._room / "lies"
        self._start_relay(lies)
        self._nodes = Supervised(self._resources, fleet, scale, disks=self._disks, liar=schedule.liar)
        self._nodes.start()
        self._fresh = [holdings(daemon.pid) for daemon in self._daemons]
        self._actor = Actor(self._lab, self._origin, self._nodes, scale, lies)

    def _start_relay(self, lies: Path) -> None:
        if self._schedule.liar is None:
            return
        place = self._lab.nodes[self._schedule.liar]
        ports = [str(PEER_PORT), str(PEER_PORT + 1)]
        command = place.command(python("benchmarks.lab.flipping", place.address, *ports, "--while", lies))
        self._relay = self._resources.enter(Child("relay", command, self._room, piped=True, stop_seconds=1.0))
        self._relay.hear()

    def _readers(self) -> Readers:
        targets = [daemon.mount(MOUNT_ID, SOURCE) for daemon in self._daemons]
        return Readers(self._resources, targets, self._room, self._scale, seed=self._schedule.seed)

    @property
    def _daemons(self) -> list[Daemon]:
        return [node.daemon for node in self._nodes.fleet.nodes]

    # ------------------------------------------------------------------ happen

    def _happen(self, readers: Readers) -> Mapping[str, int]:
        """Every event at its time, and its end; blocks for the whole schedule, or until a reader is no more."""
        happened = Counter[str]()
        numbers = count()
        due: list[tuple[float, int, Callable[[], None]]] = []
        readers.begin()
        self.began = time.monotonic()

        def begin(number: int) -> None:
            event = self._schedule.events[number]
            _say(str(event))
            happened[event.kind] += 1
            undo = self._actor.begin(event)
            heapq.heappush(due, (event.at_seconds + event.seconds, next(numbers), undo))

        for number, event in enumerate(self._schedule.events):
            heapq.heappush(due, (event.at_seconds, next(numbers), lambda number=number: begin(number)))  # type: ignore[misc]
        while (now := time.monotonic() - self.began) < self._schedule.seconds and not readers.ended():
            self._nodes.poll()
            while due and due[0][0] <= now:
                heapq.heappop(due)[2]()
            time.sleep(TICK_SECONDS)
        return dict(happened)

    def _heal(self) -> None:
        """All events are over by now; what is left is to wait for the daemons and show what the origin has."""
        self._nodes.wait_ready()
        self._actor.refresh()
        self._actor.settle()

    # --------------------------------------------------------------- take down

    def _take_down(self) -> None:
        _say("take down, and look around ...")
        self._nodes.wait_ready()
        for node, daemon in enumerate(self._daemons):
            self._note_answers(daemon)
            self._empty(node, daemon)
        for node, daemon in enumerate(self._daemons):
            self._failures += [f"node-{node}: {what}" for what in self._kept(daemon, self._fresh[node])]
        self._failures += self._nodes.stop()
        self._nodes.fleet.stop_servers()
        if self._relay:
            self._relay.stop()
        self._failures += [f"{end.who} ended by itself with {end.status}" for end in self._nodes.ends if not end.wanted]
        self._lab.remove()
        self._failures += left_behind([self._room, self._disks], self._mark, os.getpid())
        self._failures += found_in_output(self._room, [TOKEN, *self._origin.secrets])

    @staticmethod
    def _note_answers(daemon: Daemon) -> None:
        """Keep what a daemon says of itself, for the search for secrets."""
        answers = {path: daemon.call("GET", path) for path in ANSWERS}
        (daemon.settings.directory / "answers.json").write_text(json.dumps(answers, indent=1))

    def _empty(self, node: int, daemon: Daemon) -> None:
        """Unmount, evict everything, and see whether anybody still holds something."""
        daemon.unmount(MOUNT_ID)
        give_up = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < give_up:
            try:
                daemon.call("POST", "/cache/evict", {"source": SOURCE})
            except DaemonRefused:  # what is not there cannot be evicted
                break
            if not daemon.call("GET", "/cache/blobs")["blobs"]:
                break
            time.sleep(TICK_SECONDS)
        blobs = daemon.call("GET", "/cache/blobs")["blobs"]
        self._failures += [
            f"node-{node}: {blob['uri']} is in the cache, in use: {blob['in_use']}, pinned: {blob['pinned']}"
            for blob in blobs
        ]

    @staticmethod
    def _kept(daemon: Daemon, fresh: Holdings) -> list[str]:
        """What a daemon without mounts and blobs holds, and a new one does not."""
        give_up = time.monotonic() + SETTLE_SECONDS
        while found := holdings(daemon.pid).beyond(fresh, sockets=MORE_SOCKETS, threads=MORE_THREADS):
            if time.monotonic() > give_up:
                break
            time.sleep(TICK_SECONDS)
        return found


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
