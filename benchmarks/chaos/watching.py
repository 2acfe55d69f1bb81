"""The readers of a run, as their owner sees them: started together, told to finish together."""

from __future__ import annotations

import json
import select
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.chaos.access import WAYS
from benchmarks.chaos.reader import ReaderSettings, Summary, Trouble
from benchmarks.chaos.settings import OBJECTS, Scale
from benchmarks.node.processes import Child, ChildFailed, python
from benchmarks.node.resources import Resources


class Readers:
    """One of each kind on each node. What does not end in time, or ends by itself, is in `failures`."""

    def __init__(
        self, resources: Resources, targets: Sequence[Path], directory: Path, scale: Scale, *, seed: int
    ) -> None:
        self.failures: list[str] = []
        self._directory = directory
        self._children: dict[str, Child] = {}
        for node, target in enumerate(targets):
            for number, way in enumerate(WAYS):
                settings = ReaderSettings(
                    name=f"{way}-{node}",
                    node=node,
                    way=way,
                    directory=str(target),
                    objects=dict(OBJECTS),
                    bytes_per_second=scale.reader_bytes_per_second,
                    seed=seed * 1000 + node * len(WAYS) + number,
                    troubles=str(directory / f"{way}-{node}.troubles"),
                )
                command = python("benchmarks.chaos.reader", json.dumps(asdict(settings)))
                child = Child(f"reader-{settings.name}", command, directory, piped=True, stop_seconds=1.0)
                self._children[settings.name] = resources.enter(child)
        for child in self._children.values():
            child.hear()

    def begin(self) -> None:
        """Let them read."""
        for child in self._children.values():
            child.tell("go")

    def ended(self) -> bool:
        """Whether one of them is no more: no fault may do that."""
        return any(child.process.poll() is not None for child in self._children.values())

    def finish(self, versions: Mapping[str, int], timeout_seconds: float) -> Mapping[str, Summary]:
        """Let each read everything once more; blocks until all have, or the time is over. By name."""
        give_up = time.monotonic() + timeout_seconds
        told = [name for name in self._children if self._tell(name, json.dumps(versions))]
        found = {name: summary for name in told if (summary := self._summary(name, give_up))}
        self.failures += [f"{name}: its last pass failed" for name, summary in found.items() if not summary.passed]
        return found

    def stop(self) -> None:
        """End those that still run."""
        for child in self._children.values():
            child.stop()

    def troubles(self) -> Iterator[Trouble]:
        """What all of them noted."""
        for path in sorted(self._directory.glob("*.troubles")):
            for line in path.read_text().splitlines():
                yield Trouble(**json.loads(line))

    def _tell(self, name: str, line: str) -> bool:
        try:
            self._children[name].tell(line)
        except OSError:
            self.failures.append(str(self._children[name].failure("has ended by itself")))
            return False
        return True

    def _summary(self, name: str, give_up: float) -> Summary | None:
        child = self._children[name]
        if not select.select([child.output], [], [], max(0.0, give_up - time.monotonic()))[0]:
            self.failures.append(f"{name}: a read hangs, or everything is far too slow")
            return None
        try:
            return Summary(**json.loads(child.hear()))
        except ChildFailed as error:
            self.failures.append(str(error))
            return None
