"""The daemons of a run and their keepers, each started again at once when it ends, as systemd or a kubelet does."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.chaos.settings import Scale
from benchmarks.chaos.vanishing import MemoryTier
from benchmarks.lab.fleet import PEER_PORT, Fleet, Sections
from benchmarks.node.processes import POLL_SECONDS, Child, python
from benchmarks.node.resources import Resources
from cachefs.faults import FIRED_VARIABLE, PLAN_VARIABLE

KILLED = -9
KEEPER_STOP_SECONDS = 5.0
KEEPER_SETTLES_SECONDS = 4.0
"""A daemon looks for its keeper every second; a machine with two cores is late."""
WHOLE_SECONDS = 30.0
"""A daemon that stops waits `fetch.stop_timeout` for requests, and the next one starts in some seconds."""


@dataclass(frozen=True, slots=True)
class End:
    """A daemon or a keeper that ended. `wanted`: by an event of the schedule, and with the status that it causes."""

    who: str
    status: int
    wanted: bool


class Supervised:
    """All nodes. Only for the main thread, but for `Fleet.nodes[...].daemon`, which others may ask."""

    def __init__(self, resources: Resources, fleet: Fleet, scale: Scale, *, disks: Path, liar: int | None) -> None:
        """`disks`: a directory on a disk, for the disk tiers. `liar`: who listens behind a relay."""
        self.fleet = fleet
        self.ends: list[End] = []
        self.memory_tiers = [MemoryTier(node.directory / "memory", scale.memory_room_bytes) for node in fleet.nodes]
        self._resources = resources
        self._scale = scale
        self._disks = disks
        self._liar = liar
        self._keepers: dict[int, Child] = {}
        self._keeper_began: dict[int, float] = {}
        self._expected: dict[str, set[int]] = defaultdict(set)
        self._plans: dict[int, list[Mapping[str, Any]]] = {node: [] for node in range(len(fleet.nodes))}

    def start(self) -> None:
        """Start everything; blocks until all daemons are ready."""
        for node, host in enumerate(self.fleet.nodes):
            host.directory.mkdir(parents=True)
            self.memory_tiers[node].appear()
            self._write_plan(node)
            if self._scale.keeper:
                self._launch_keeper(node)
            self._launch(node)
        self.wait_ready()

    def wait_ready(self) -> None:
        """Block until all daemons are ready, those too that are being replaced now. ChildFailed."""
        for node, host in enumerate(self.fleet.nodes):
            self.wait_whole(node)
            host.daemon.wait_ready()

    def poll(self) -> None:
        """Note who has ended, and start it again."""
        for node, keeper in self._keepers.items():
            if (status := keeper.process.poll()) is not None:
                self._note(f"keeper-{node}", status)
                self._launch_keeper(node)
        for node, host in enumerate(self.fleet.nodes):
            if (status := host.daemon.process.poll()) is not None:
                self._note(host.name, status)
                self._drop_kills(node)
                self._launch(node)

    def wait_whole(self, node: int) -> None:
        """Block until a daemon serves that nobody told to end, and its keeper has had time to get everything again.

        Either survives the other's death, not both deaths at once: who breaks one of them asks for this first.
        """
        give_up = time.monotonic() + WHOLE_SECONDS
        while not self._whole(node) and time.monotonic() < give_up:
            self.poll()
            time.sleep(POLL_SECONDS)

    def _whole(self, node: int) -> bool:
        settled = time.monotonic() - self._keeper_began.get(node, 0.0) >= KEEPER_SETTLES_SECONDS
        host = self.fleet.nodes[node]
        return settled and 0 not in self._expected[host.name] and host.daemon.listens()

    def kill(self, node: int) -> None:
        """SIGKILL to a daemon."""
        self._expect(self.fleet.nodes[node].name, KILLED)
        self.fleet.nodes[node].daemon.kill()

    def replace(self, node: int) -> None:
        """SIGTERM to a daemon, as an upgrade does; `poll` starts the next one."""
        self._expect(self.fleet.nodes[node].name, 0)
        self.fleet.nodes[node].daemon.process.terminate()

    def kill_keeper(self, node: int) -> None:
        """SIGKILL to a keeper, if there is one."""
        if keeper := self._keepers.get(node):
            self._expect(f"keeper-{node}", KILLED)
            keeper.kill()
            self._keeper_began[node] = time.monotonic()  # not settled, even before `poll` has noticed

    def suffer(self, node: int, fault: Mapping[str, Any]) -> None:
        """From now on a daemon's calls fail as planned; see `cachefs.faults`."""
        if fault["kind"] == "kill":
            self._expect(self.fleet.nodes[node].name, KILLED)
        self._plans[node].append(fault)
        self._write_plan(node)

    def recover(self, node: int, fault: Mapping[str, Any]) -> None:
        """Not any more. Nothing happens if the daemon has died of it."""
        if fault in self._plans[node]:
            self._plans[node].remove(fault)
            self._write_plan(node)

    def fired(self) -> Mapping[str, int]:
        """How many faults have happened in the daemons, by label and kind."""
        counts: dict[str, int] = defaultdict(int)
        for node in range(len(self.fleet.nodes)):
            path = self._fired(node)
            for line in path.read_text().splitlines() if path.exists() else ():
                counts[line] += 1
        return dict(sorted(counts.items()))

    @property
    def restarts(self) -> int:
        """Daemons started again."""
        return sum(not end.who.startswith("keeper") for end in self.ends)

    def stop(self) -> Sequence[str]:
        """Stop the daemons, then the keepers, and take the memory tiers away; what was not as it should be."""
        self.poll()
        daemons = [(node.name, node.daemon) for node in self.fleet.nodes]
        for _, daemon in daemons:
            daemon.process.terminate()
        for _, daemon in daemons:
            daemon.stop()
        for keeper in self._keepers.values():
            keeper.stop()
        for tier in self.memory_tiers:
            tier.vanish()
        return [
            f"{name} ended with {daemon.process.returncode}" for name, daemon in daemons if daemon.process.returncode
        ]

    def _launch(self, node: int) -> None:
        environment = {PLAN_VARIABLE: str(self._plan(node)), FIRED_VARIABLE: str(self._fired(node))}
        self.fleet.launch(node, self._sections(node), environment)

    def _launch_keeper(self, node: int) -> None:
        self._keeper_began[node] = time.monotonic()
        command = python("mows.keeper", "--socket", self._keeper_socket(node))
        directory = self.fleet.nodes[node].directory
        self._keepers[node] = self._resources.enter(
            Child("keeper", command, directory, stop_seconds=KEEPER_STOP_SECONDS)
        )

    def _sections(self, node: int) -> Sections:
        memory, disk = self.memory_tiers[node].path, self._disks / self.fleet.nodes[node].name
        sizes = {memory: self._scale.memory_bytes, disk: self._scale.disk_bytes}
        tiers = [{"path": str(path), "capacity": size, "huge_pages": "off"} for path, size in sizes.items()]
        sections: dict[str, Mapping[str, object]] = {"cache": {"tiers": tiers}}
        if self._scale.keeper:
            sections["daemon"] = {"keeper": str(self._keeper_socket(node))}
        if node == self._liar:
            sections["peers"] = {"listen": f"127.0.0.1:{PEER_PORT}"}
        return sections

    def _keeper_socket(self, node: int) -> Path:
        return self.fleet.nodes[node].directory / "keeper.sock"

    def _plan(self, node: int) -> Path:
        return self.fleet.nodes[node].directory / "faults.json"

    def _fired(self, node: int) -> Path:
        return self.fleet.nodes[node].directory / "fired"

    def _write_plan(self, node: int) -> None:
        path = self._plan(node)
        draft = path.with_suffix(".new")
        draft.write_text(json.dumps({"seed": node, "faults": self._plans[node]}))
        draft.replace(path)

    def _drop_kills(self, node: int) -> None:
        """What the last daemon died of is not there for the next."""
        self._plans[node] = [fault for fault in self._plans[node] if fault["kind"] != "kill"]
        self._write_plan(node)

    def _expect(self, who: str, status: int) -> None:
        self._expected[who].add(status)

    def _note(self, who: str, status: int) -> None:
        """A daemon that is told to stop may be killed before it has: one end uses up all that was expected."""
        self.ends.append(End(who, status, status in self._expected.pop(who, set())))
