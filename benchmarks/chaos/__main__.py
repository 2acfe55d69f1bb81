"""``python -m benchmarks.chaos --minutes M --seed S [--json]``. Needs root, iproute2 and redis-server.

Exits with 0 if every byte was right, every error had an excuse, and nothing was left behind; else with 1, and says how
to play the same again. Ctrl-C at any moment leaves nothing.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.chaos.events import Kind, Schedule, loads
from benchmarks.chaos.run import Run
from benchmarks.chaos.schedule import generate
from benchmarks.chaos.settings import MIB, OBJECTS, Scale
from benchmarks.lab.leftovers import prefix_of
from benchmarks.node.resources import Resources, run_owning
from benchmarks.node.scratch import remove, scratch

ROOM_BYTES = 512 * MIB
MORTAL = frozenset({Kind.KILL, Kind.KILL_AT, Kind.REPLACE, Kind.KEEPER_KILLED})
"""What readers survive only with a keeper."""


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """What was said on the command line. Exits with 2 when it makes no sense."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chaos", description="Bad luck from a seed.")
    add = parser.add_argument
    add("--minutes", type=float, default=10.0, help="of faults under load (default: %(default)s)")
    add("--seed", type=int, default=1, help="(default: %(default)s)")
    add("--events", type=Path, metavar="FILE", help="play this schedule instead: what a run saved, or less of it")
    add("--without", type=Kind, nargs="+", default=[], metavar="KIND", help="leave these kinds of events out")
    add("--no-keeper", action="store_true", help="daemons without keepers; none of them is killed then")
    add("--print", action="store_true", help="only print the schedule")
    add(
        "--save",
        type=Path,
        metavar="DIR",
        help="where to save schedule, result and logs; without it a good run keeps no logs",
    )
    add("--json", action="store_true", help="print one JSON document")
    return parser.parse_args(arguments)


def schedule_from(options: argparse.Namespace, scale: Scale) -> Schedule:
    """Read, or made from the seed."""
    if options.events:
        return loads(options.events.read_text())
    without = frozenset(options.without) | (frozenset() if scale.keeper else MORTAL)
    return generate(
        options.seed, options.minutes * 60, nodes=scale.nodes, objects=tuple(sorted(OBJECTS)), without=without
    )


def run(resources: Resources, options: argparse.Namespace) -> int:
    """Play; 0 if nothing was lost."""
    scale = Scale(keeper=not options.no_keeper)
    schedule = schedule_from(options, scale)
    if options.print:
        print(*schedule.events, sep="\n")
        return 0
    save = options.save or Path(tempfile.gettempdir()) / f"mows-chaos-{schedule.seed}-{os.getpid()}"
    save.mkdir(parents=True, exist_ok=True)
    (save / "events.json").write_text(schedule.dumps())
    room = resources.enter(scratch(ROOM_BYTES, prefix=prefix_of(os.getpid())))
    disks = resources.enter(_disk(prefix_of(os.getpid())))
    one = Run(resources, schedule, scale, room=room, disks=disks)
    try:
        result = one.play()
    except BaseException:
        _keep_logs(room, save)
        raise
    (save / "result.json").write_text(result.as_json())
    print(result.as_json() if options.json else result.as_text(one.began), flush=True)
    if options.save or not result.good:
        _keep_logs(room, save)
    if not result.good:
        print(f"again: python -m benchmarks.chaos --events {save / 'events.json'}; logs: {save}", file=sys.stderr)
    return 0 if result.good else 1


@contextmanager
def _disk(prefix: str) -> Iterator[Path]:
    """A directory that is not in memory."""
    path = Path(tempfile.mkdtemp(prefix=prefix))
    try:
        yield path
    finally:
        remove(path)


def _keep_logs(room: Path, save: Path) -> None:
    """Logs, fault plans and the troubles of readers, before the room is removed."""
    for pattern in ("*.log", "*.troubles", "fired", "mows.yaml"):
        for path in (*room.glob(pattern), *room.glob(f"node-*/{pattern}")):
            target = save / path.relative_to(room)
            target.parent.mkdir(exist_ok=True)
            shutil.copyfile(path, target)


def main() -> int:
    """The exit status."""
    options = parse(sys.argv[1:])
    return run_owning(lambda resources: run(resources, options))


if __name__ == "__main__":
    sys.exit(main())
