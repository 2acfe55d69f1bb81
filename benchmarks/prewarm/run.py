"""The play: prewarm all nodes, let a second model fight for the space, restart the daemons, unplug the origin, read."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, TypedDict

from benchmarks.node.errors import NodeError
from benchmarks.scaleout.stage import Stage
from benchmarks.scaleout.waiting import Failed, is_warm, mount_of, wait_for

LEASE = "2h"
LOOK_SECONDS = 0.25
RIVAL = "rival"


class Result(TypedDict):
    """What is printed as JSON. Seconds, bytes and ratios."""

    nodes: int
    model_bytes: int
    seconds: float
    origin_ratio: float
    """Bytes that left the origin during the prewarm, by the size of the model."""
    eta_error_ratio: float | None
    """The daemon's own: the worst node's estimate after a tenth, against the time it took."""
    eta_seconds_after_tenth: float | None
    eta_fleet_error_ratio: float | None
    """The same, of what the asked node foretold for all of them, as this program saw it."""
    rival_refused: bool
    """Whether a prewarm of the second model was refused, naming the lease."""
    rival_read_bytes: int
    """Of the second model, read through a mount on every node meanwhile."""
    kept_percent: float
    """Of the first model, on the node that kept the least, after all that."""
    origin_bytes_after_restart: int
    wrong_files: list[str]
    """Read on all nodes after the restart without the origin, and not what they should be."""


@dataclass(frozen=True, slots=True)
class _Look:
    at: float
    percent: float
    eta_seconds: float | None


def play(stage: Stage) -> Result:
    """Run it. NodeError when it cannot be brought to its end."""
    rival = stage.fleet.origin.put_tree(RIVAL, stage.workload.model.directory)
    stage.start(stage.everybody)
    asked = stage.nodes[0].daemon
    with stage.measuring() as measured:
        began = time.monotonic()
        job = asked.call("POST", "/prewarms", {"sources": [stage.source], "nodes": "all", "lease": LEASE})
        looks, last = _follow(stage, job["id"])
        seconds = time.monotonic() - began
    refused = _is_refused(stage, rival)
    rival_read_bytes = _read_rival(stage, rival)
    kept = min(_percent(stage, node) for node in stage.everybody)
    for node in stage.everybody:
        stage.stop(node)
    stage.start(stage.everybody)
    after, wrong = _read_without_origin(stage)
    judged = next((look for look in looks if look.percent >= 10.0 and look.eta_seconds is not None), None)
    return Result(
        nodes=len(stage.nodes),
        model_bytes=stage.workload.model.size_bytes,
        seconds=round(seconds, 2),
        origin_ratio=round(measured.origin_bytes / stage.workload.model.size_bytes, 4),
        eta_error_ratio=last["eta_error_ratio"],
        eta_seconds_after_tenth=judged.eta_seconds if judged else None,
        eta_fleet_error_ratio=_error_ratio(judged, began + seconds),
        rival_refused=refused,
        rival_read_bytes=rival_read_bytes,
        kept_percent=kept,
        origin_bytes_after_restart=after,
        wrong_files=wrong,
    )


def _follow(stage: Stage, prewarm_id: str) -> tuple[list[_Look], dict[str, Any]]:
    """Until it is warm; what was said on the way, and in the end."""
    asked, looks = stage.nodes[0].daemon, list[_Look]()
    while True:
        state = asked.call("GET", f"/prewarms/{prewarm_id}")
        if state["state"] == "warm":
            return looks, state
        if state["error"] is not None:
            raise Failed(f"prewarm {state['state']}: {state['error']}")
        if time.monotonic() > stage.give_up:
            raise NodeError(f"the prewarm is not done: {state}")
        looks.append(_Look(time.monotonic(), state["percent"] or 0.0, state["eta_seconds"]))
        time.sleep(LOOK_SECONDS)


def _error_ratio(judged: _Look | None, ended_at: float) -> float | None:
    if judged is None or judged.eta_seconds is None:
        return None
    left = ended_at - judged.at
    return round((judged.eta_seconds - left) / left, 3)


def _is_refused(stage: Stage, rival: str) -> bool:
    """Whether there is no room beside the lease, and the answer says so on every node."""
    asked = stage.nodes[0].daemon
    job = asked.call("POST", "/prewarms", {"sources": [rival], "nodes": "all"})
    while (state := asked.call("GET", f"/prewarms/{job['id']}"))["state"] not in {"warm", "failed"}:
        time.sleep(LOOK_SECONDS)
    errors = [node["error"] or {} for node in state["nodes"]]
    asked.call("DELETE", f"/prewarms/{job['id']}")
    return all(error.get("code") == "no_space" and _names_a_lease(error) for error in errors)


def _names_a_lease(error: dict[str, Any]) -> bool:
    return any(holder.startswith("prewarm:") for way in error["in_the_way"] for holder in way["held_by"])


def _read_rival(stage: Stage, rival: str) -> int:
    """Read all of the second model through a mount on every node at once."""
    for node in stage.nodes:
        node.daemon.mount(RIVAL, rival)
    targets = [node.directory / "mounts" / RIVAL for node in stage.nodes]
    total = 0
    for target in targets:
        for path in sorted(target.iterdir()):
            total += len(path.read_bytes())
    for node in stage.nodes:
        node.daemon.unmount(RIVAL)
    return total


def _percent(stage: Stage, node: int) -> float:
    """How much of the first model a node has."""
    found = stage.nodes[node].daemon.call("GET", f"/placement?source={stage.source}")["bytes"]
    return round(100.0 * float(found["local"]) / float(found["total"]), 2)


def _read_without_origin(stage: Stage) -> tuple[int, list[str]]:
    """Mount the first model everywhere, unplug the origin, read; bytes from the origin since, and wrong files."""
    stage.mount(stage.everybody, warm=True)
    targets = [mount_of(stage.nodes[node], "model") for node in stage.everybody]
    sent = stage.fleet.origin.bytes_sent()
    wait_for(targets, is_warm, until_seconds=stage.give_up, began_seconds=time.monotonic())
    readers = stage.readers(stage.everybody)
    stage.lab.unplug_origin()
    for reader in readers:
        reader.start()
    readings = stage.readings(readers)
    stage.lab.plug_origin()
    wrong = sorted({name for reading in readings for name in reading.wrong(stage.workload.digests)})
    return stage.fleet.origin.bytes_sent() - sent, wrong


def passed(result: Result) -> bool:
    """Whether it is as promised. The time is none of it: this machine may be busy."""
    return (
        result["origin_ratio"] <= 1.05
        and result["rival_refused"]
        and result["rival_read_bytes"] == result["nodes"] * result["model_bytes"]
        and result["kept_percent"] == 100.0
        and result["origin_bytes_after_restart"] < result["model_bytes"] // 100
        and not result["wrong_files"]
    )


def as_text(result: Result) -> str:
    """A table for people."""
    return "\n".join(f"{name:28} {value}" for name, value in result.items())
