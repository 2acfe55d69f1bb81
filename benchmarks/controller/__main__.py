"""See the package. Prints the log, then what was shown; ends with nothing left. Needs root, and takes a minute."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.controller.stage import Missed, Stage
from benchmarks.lab.leftovers import prefix_of
from benchmarks.node.errors import NodeError
from benchmarks.node.resources import INTERRUPTED_EXIT_CODE, Resources
from benchmarks.node.scratch import scratch
from mows.units import parse_bytes

CHAT, EMBED = "chat", "embed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was seen."""

    seconds: float
    spread: dict[str, int]
    """Instances on each node when there were most."""
    origin_bytes: int
    model_bytes: int
    """Of all three models together."""
    left_over: list[str]


def play(stage: Stage, *, most: int) -> Outcome:
    """The whole story; `most` is what one service is scaled to. Raises Missed."""
    began = time.monotonic()
    for number, name in enumerate(("chat-v1", "chat-v2", "embed-v1")):
        stage.add_model(name, seed=number)
    controller = stage.start_controller()
    _step(stage, "two service files: four instances")
    stage.write_service(CHAT, instances=2, model="chat-v1")
    stage.write_service(EMBED, instances=2, model="embed-v1")
    stage.wait(controller, {(CHAT, "chat-v1"): 2, (EMBED, "embed-v1"): 2})
    _step(stage, f"{EMBED} is scaled to {most}")
    stage.write_service(EMBED, instances=most, model="embed-v1")
    stage.wait(controller, {(CHAT, "chat-v1"): 2, (EMBED, "embed-v1"): most})
    spread = stage.spread()
    _step(stage, f"{CHAT} is rolled to a new version of its model, one instance at a time")
    stage.write_service(CHAT, instances=2, model="chat-v2")
    stage.wait(controller, {(CHAT, "chat-v2"): 2, (EMBED, "embed-v1"): most})
    _step(stage, "one file is removed, then the controller is stopped: everything is released")
    (stage.services / f"{EMBED}.json").unlink()
    stage.wait(controller, {(CHAT, "chat-v2"): 2})
    controller.stop()
    stage.show_log(controller)
    sent = stage.fleet.origin.bytes_sent()
    total = len(stage.sources) * stage.model_bytes
    return Outcome(time.monotonic() - began, spread, sent, total, stage.left_over())


def _step(stage: Stage, text: str) -> None:
    stage.say(f"\n== {text}")


def run(model_bytes: int, most: int) -> Outcome:
    """Everything from nothing to nothing."""
    with Resources() as resources, resources.interruptible():
        directory = resources.enter(scratch(40 * model_bytes, prefix=prefix_of(os.getpid())))
        return play(Stage(resources, directory, model_bytes, lambda text: print(text, flush=True)), most=most)


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when all was as it should be."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.controller", description=__doc__)
    parser.add_argument("--model", type=parse_bytes, default=64 << 20, help="size of each model [64MiB]")
    parser.add_argument("--most", type=int, default=8, help="how many instances one service is scaled to [8]")
    given = parser.parse_args(arguments)
    try:
        outcome = run(given.model, given.most)
    except KeyboardInterrupt:
        return INTERRUPTED_EXIT_CODE
    except (Missed, NodeError) as error:
        print(error, file=sys.stderr)
        return 1
    ratio = outcome.origin_bytes / outcome.model_bytes
    print(f"\nall bytes right; instances when there were most: {outcome.spread}; {outcome.seconds:.0f} s")
    print(f"the origin sent {ratio:.2f} x the models, whatever the number of instances")
    print(f"left over: {outcome.left_over or 'nothing'}")
    return 1 if outcome.left_over else 0


if __name__ == "__main__":
    sys.exit(main())
