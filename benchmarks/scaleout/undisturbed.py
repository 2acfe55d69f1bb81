"""The scenarios in which nothing goes wrong: cold, staggered, prewarm, join, engine."""

from __future__ import annotations

import time
from functools import partial

from benchmarks.load import Loader
from benchmarks.scaleout.bounds import all_cold_seconds, join_seconds, staggered_seconds
from benchmarks.scaleout.outcome import Outcome
from benchmarks.scaleout.stage import MOUNT_ID, Stage
from benchmarks.scaleout.waiting import Target, is_readable, is_warm, wait_for

STAGGER_SECONDS = 1.0


def cold(stage: Stage) -> Outcome:
    """All nodes mount with ``warm: true`` at once. A node is done when its mount says that it is warm."""
    stage.start(stage.everybody)
    with stage.measuring() as measured:
        stage.mount(stage.everybody, warm=True)
        finished = stage.wait(stage.everybody, is_warm, since=measured.began_seconds)
    return Outcome(measured=measured, finish_seconds=finished, bound_seconds=_cold_bound(stage))


def staggered(stage: Stage) -> Outcome:
    """As cold, but a node begins every second. Times count from the beginning of the first."""
    stage.start(stage.everybody)
    with stage.measuring() as measured:
        for node in stage.everybody:
            time.sleep(max(0.0, measured.began_seconds + node * STAGGER_SECONDS - time.monotonic()))
            stage.mount([node], warm=True)
        finished = stage.wait(stage.everybody, is_warm, since=measured.began_seconds)
    size, rates = stage.workload.model.size_bytes, stage.settings.rates()
    bound = staggered_seconds(size, rates, STAGGER_SECONDS)
    return Outcome(measured=measured, finish_seconds=finished, bound_seconds=bound)


def prewarm(stage: Stage) -> Outcome:
    """No mounts: every node is asked to prewarm at once. It is mounted afterwards, to be read."""
    stage.start(stage.everybody)
    with stage.measuring() as measured:
        targets = []
        for node in stage.nodes:
            ticket = node.daemon.call("POST", "/prewarms", {"sources": [stage.source]})["id"]
            targets.append(Target(node, partial(node.daemon.call, "GET", f"/prewarms/{ticket}")))
        finished = wait_for(targets, is_warm, until_seconds=stage.give_up, began_seconds=measured.began_seconds)
    stage.mount(stage.everybody, warm=False)
    stage.wait(stage.everybody)
    return Outcome(measured=measured, finish_seconds=finished, bound_seconds=_cold_bound(stage))


def join(stage: Stage) -> Outcome:
    """Some nodes are warm, all others have listed the files; then the origin is unplugged and the others read them.

    Listing needs the origin, so it comes first. A node is done when a program has read every file through its mount.
    """
    holders = range(stage.settings.holders)
    joiners = range(stage.settings.holders, stage.settings.nodes)
    stage.start(stage.everybody)
    stage.mount(holders, warm=True)
    stage.wait(holders, is_warm)
    stage.mount(joiners, warm=False)
    stage.wait(joiners)
    readers = stage.readers(joiners)
    stage.lab.unplug_origin()
    with stage.measuring() as measured:
        for reader in readers:
            reader.start()
        readings = stage.readings(readers)
    stage.lab.plug_origin()
    finished = {
        stage.nodes[node].name: reader.began_seconds - measured.began_seconds + reading.seconds
        for node, reader, reading in zip(joiners, readers, readings, strict=True)
    }
    bound = join_seconds(stage.workload.model.size_bytes, stage.settings.rates())
    return Outcome(measured=measured, finish_seconds=finished, bound_seconds=bound, readings=readings)


def engine(stage: Stage) -> Outcome:
    """Every node mounts, and a program loads all tensors from it with `safe_open`, one after the other, by page faults.

    A node is done when its program has hashed the last tensor.
    """
    stage.start(stage.everybody)
    loaders = [
        stage.resources.enter(Loader(f"loader-{stage.nodes[node].name}", stage.target(node), stage.directory))
        for node in stage.everybody
    ]
    for loader in loaders:
        loader.wait_ready()
    with stage.measuring() as measured:
        stage.mount(stage.everybody, warm=False)
        stage.wait(stage.everybody, is_readable)
        went = []
        for loader in loaders:
            went.append(time.monotonic() - measured.began_seconds)
            loader.start()
        loads = [loader.result() for loader in loaders]
    finished = {node.name: began + loaded.seconds for node, began, loaded in zip(stage.nodes, went, loads, strict=True)}
    right = all(loaded.digests == stage.workload.model.digests for loaded in loads)
    return Outcome(
        measured=measured,
        finish_seconds=finished,
        bound_seconds=_cold_bound(stage),
        checks={"tensors_right": right},
        notes={"mount_id": MOUNT_ID, "tensors": len(stage.workload.model.digests)},
    )


def _cold_bound(stage: Stage) -> float:
    return all_cold_seconds(stage.workload.model.size_bytes, stage.settings.rates())
