"""Lets the events of a schedule happen, and undoes them. What an event excuses is known here, with its moments."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from benchmarks.chaos.content import Content
from benchmarks.chaos.events import EXCUSES, Event, Kind
from benchmarks.chaos.judging import Excuse, Overwritten
from benchmarks.chaos.settings import GRACE_SECONDS, OBJECTS, READ_DEADLINE_SECONDS, Scale
from benchmarks.chaos.supervised import Supervised
from benchmarks.lab.network import Lab
from benchmarks.node.daemon import DaemonRefused
from benchmarks.node.oss import BUCKET, OssProcess

PREFIX = "m"
MOUNT_ID = "model"
SOURCE = f"oss://{BUCKET}/{PREFIX}/"
RETRY_SECONDS = 0.3
KEYS_LAST_SECONDS = 7 * 24 * 3600
STALL_SECONDS = 8.0
SHIFT_BYTES = 4096

Undo = Callable[[], None]


def nothing() -> None:
    """For what needs no undoing."""


class Origin:
    """The origin's objects and keys, as its owner handles them."""

    def __init__(self, server: OssProcess, directory: Path) -> None:
        self.server = server
        self.versions = dict.fromkeys(OBJECTS, 0)
        self.secrets: list[str] = []
        """All that no log may contain."""
        self.keys_file = directory / "keys.json"
        self._directory = directory

    def put(self, name: str) -> None:
        """Put the version of `name` that `versions` says."""
        path = self._directory / f"{name}.{self.versions[name]}"
        Content(name, OBJECTS[name], self.versions[name]).write(path)
        self.server.call("put_file", bucket=BUCKET, key=f"{PREFIX}/{name}", path=str(path))
        path.unlink()

    def rotate(self) -> None:
        """Hand out new keys; those from before are refused from then on."""
        keys = self.server.call("issue_sts_token", seconds=KEYS_LAST_SECONDS)
        self.secrets += [keys["access_key_secret"], keys["security_token"]]
        document = {
            "AccessKeyId": keys["access_key_id"],
            "AccessKeySecret": keys["access_key_secret"],
            "SecurityToken": keys["security_token"],
            "Expiration": datetime.fromtimestamp(keys["expires_at"], UTC).isoformat(),
        }
        draft = self.keys_file.with_suffix(".new")
        draft.write_text(json.dumps(document))
        draft.replace(self.keys_file)
        self.server.call("expire_sts_tokens", but=keys["access_key_id"])


class Actor:
    """Carries events out. Only for the main thread; what has to wait for a daemon is done by a thread for each node."""

    def __init__(self, lab: Lab, origin: Origin, nodes: Supervised, scale: Scale, lies: Path) -> None:
        """`lies`: the file whose existence makes the relay lie."""
        self.excuses: list[Excuse | Overwritten] = []
        self.refused: list[str] = []
        """What operators asked of daemons in vain until the end."""
        self._lab = lab
        self._origin = origin
        self._nodes = nodes
        self._scale = scale
        self._lies = lies
        self._threads = [ThreadPoolExecutor(1, f"chaos-operator-{node}") for node in self._everybody]
        self._stopping = False
        self._begin: Mapping[Kind, Callable[[Event], Undo]] = self._table()

    @property
    def _everybody(self) -> range:
        return range(self._scale.nodes)

    def begin(self, event: Event) -> Undo:
        """Let an event happen; what ends it."""
        undo = self._begin[event.kind](event)
        if errors := EXCUSES.get(event.kind):
            until = time.monotonic() + event.seconds + READ_DEADLINE_SECONDS + GRACE_SECONDS
            self.excuses.append(
                Excuse(
                    cause=str(event.kind),
                    errors=errors,
                    nodes=frozenset(self._everybody),
                    since=time.monotonic(),
                    until=until,
                )
            )
        return undo

    def refresh(self) -> None:
        """Let all nodes show what the origin has now; does not wait."""
        for node, thread in enumerate(self._threads):
            thread.submit(self._refresh, node, None)

    def settle(self) -> None:
        """Block until daemons have done what they were asked."""
        for thread in self._threads:
            thread.submit(nothing).result()

    def close(self) -> None:
        """End the threads; what is asked in vain is given up."""
        self._stopping = True
        for thread in self._threads:
            thread.shutdown()

    # ------------------------------------------------------------- the events

    def _table(self) -> Mapping[Kind, Callable[[Event], Undo]]:
        faults = {
            Kind.ORIGIN_ERRORS: lambda event: ("fail", {**event.details, "code": "InternalError", "count": None}),
            Kind.ORIGIN_THROTTLES: lambda _event: ("throttle", {}),
            Kind.ORIGIN_DENIES: lambda _event: ("fail", {"status": 403, "count": 1}),
            Kind.ORIGIN_RESETS: lambda event: ("reset_body", {**event.details, "count": None}),
            Kind.ORIGIN_SHORT: lambda event: ("truncate_body", {**event.details, "count": None}),
            Kind.ORIGIN_RANGE: lambda _event: ("wrong_content_range", {"shift_bytes": SHIFT_BYTES, "count": None}),
            Kind.ORIGIN_STALLS: lambda event: (
                "stall_body", {**event.details, "seconds": STALL_SECONDS, "count": None}
            ),
            Kind.ORIGIN_SLOW: lambda _event: (
                "limit_bandwidth", {"total_bytes_per_second": self._scale.slow_origin_bytes_per_second}
            ),
        }  # fmt: skip
        return {
            **{kind: self._origin_fault(call) for kind, call in faults.items()},
            Kind.KILL: lambda event: self._to_whole(event, self._nodes.kill),
            Kind.REPLACE: lambda event: self._to_whole(event, self._nodes.replace),
            Kind.KEEPER_KILLED: lambda event: self._to_whole(event, self._nodes.kill_keeper),
            Kind.KILL_AT: self._kill_at,
            Kind.STORE_FAULT: self._suffer,
            Kind.TIER_GONE: self._without_tier,
            Kind.PEER_FAULT: self._suffer,
            Kind.CLOCK_JUMP: self._suffer,
            Kind.ORIGIN_REFUSES: lambda _event: self._between("stop", "start"),
            Kind.ORIGIN_UNPLUGGED: lambda _event: self._unplugged(),
            Kind.ORIGIN_GONE: lambda _event: self._unplugged(),
            Kind.LINK_SLOW: self._slow_link,
            Kind.LINK_CUT: self._cut_link,
            Kind.PARTITION: self._partition,
            Kind.LIES: lambda _event: self._lie(),
            Kind.REDIS_KILLED: lambda _event: self._without_redis(),
            Kind.OVERWRITE: lambda event: self._once(self._overwrite, str(event.details["name"])),
            Kind.ROTATE: lambda _event: self._once(self._origin.rotate),
            Kind.EVICT: lambda event: self._once(self._submit_evict, _node(event)),
            Kind.REFRESH: lambda _event: self._once(self.refresh),
        }

    @staticmethod
    def _once(act: Callable[..., None], *arguments: object) -> Undo:
        act(*arguments)
        return nothing

    def _origin_fault(self, call: Callable[[Event], tuple[str, Mapping[str, Any]]]) -> Callable[[Event], Undo]:
        def begin(event: Event) -> Undo:
            name, arguments = call(event)
            self._origin.server.call(f"faults.{name}", **arguments)
            return nothing if not event.seconds else lambda: self._origin.server.call("faults.clear")

        return begin

    def _between(self, first: str, last: str) -> Undo:
        self._origin.server.call(first)
        return lambda: self._origin.server.call(last)

    def _unplugged(self) -> Undo:
        self._lab.unplug_origin()
        return self._lab.plug_origin

    def _suffer(self, event: Event) -> Undo:
        self._nodes.suffer(_node(event), event.details)
        return lambda: self._nodes.recover(_node(event), event.details)

    def _to_whole(self, event: Event, act: Callable[[int], None]) -> Undo:
        self._nodes.wait_whole(_node(event))
        return self._once(act, _node(event))

    def _kill_at(self, event: Event) -> Undo:
        self._nodes.wait_whole(_node(event))
        return self._suffer(event)

    def _without_tier(self, event: Event) -> Undo:
        tier = self._nodes.memory_tiers[_node(event)]
        tier.vanish()
        return tier.appear

    def _slow_link(self, event: Event) -> Undo:
        def rate(bits: int) -> None:
            self._lab.set_rate(_node(event), up_bits_per_second=bits, down_bits_per_second=bits)

        rate(self._scale.slow_link_bits_per_second)
        return lambda: rate(self._scale.link_bits_per_second)

    def _cut_link(self, event: Event) -> Undo:
        place = self._lab.nodes[_node(event)]
        self._lab.unplug(place)
        return lambda: self._lab.plug(place)

    def _partition(self, event: Event) -> Undo:
        self._lab.partition(event.details["groups"])
        return self._lab.heal

    def _lie(self) -> Undo:
        self._lies.touch()
        return self._lies.unlink

    def _without_redis(self) -> Undo:
        self._nodes.fleet.kill_redis()
        return self._nodes.fleet.start_redis

    def _overwrite(self, name: str) -> None:
        self._origin.versions[name] += 1
        overwritten = Overwritten(name=name, since=time.monotonic(), shown={})
        self.excuses.append(overwritten)
        self._origin.put(name)
        for node, thread in enumerate(self._threads):
            thread.submit(self._refresh, node, overwritten)

    def _submit_evict(self, node: int) -> None:
        self._threads[node].submit(self._evict, node)

    # ------------------------------------------ in the threads of the operators

    def _refresh(self, node: int, overwritten: Overwritten | None) -> None:
        """Ask until it is done: a daemon that is being replaced, or whose origin is away, refuses for a while."""
        while why := self._refusal(node, f"/mounts/{MOUNT_ID}/refresh", {}):
            if self._stopping:
                self.refused.append(f"node-{node} refresh: {why}")
                return
            time.sleep(RETRY_SECONDS)
        if overwritten:
            overwritten.shown[node] = time.monotonic()

    def _evict(self, node: int) -> None:
        """Once: blobs in use stay, and a daemon that does not run evicts nothing."""
        self._refusal(node, "/cache/evict", {"source": SOURCE})

    def _refusal(self, node: int, path: str, body: Mapping[str, object]) -> str | None:
        """Why a daemon did not do what it was asked; None if it did."""
        try:
            self._nodes.fleet.nodes[node].daemon.call("POST", path, body)
        except (DaemonRefused, httpx.HTTPError, OSError) as error:
            return f"{type(error).__name__}: {error}"
        return None


def _node(event: Event) -> int:
    assert event.node is not None, f"{event.kind} happens to a node: {event}"
    return event.node
