"""Run one scenario: set the stage, play, read everything back on every node, take the stage down."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from benchmarks.node.errors import NodeError
from benchmarks.node.resources import Resources
from benchmarks.scaleout import disturbed, undisturbed
from benchmarks.scaleout.outcome import Outcome
from benchmarks.scaleout.reader import read
from benchmarks.scaleout.result import Result, assemble, with_alone
from benchmarks.scaleout.settings import RunSettings
from benchmarks.scaleout.stage import Stage, Workload, write_workload

SCENARIOS: Mapping[str, Callable[[Stage], Outcome]] = MappingProxyType(
    {
        "cold": undisturbed.cold,
        "join": undisturbed.join,
        "staggered": undisturbed.staggered,
        "prewarm": undisturbed.prewarm,
        "engine": undisturbed.engine,
        "kill": disturbed.kill,
        "slow": disturbed.slow,
        "corrupt": disturbed.corrupt,
        "partition": disturbed.partition,
        "rolling": disturbed.rolling,
    }
)


@dataclass
class Theatre:
    """Where runs take place, one after the other; each model is written once."""

    resources: Resources
    root: Path
    _workloads: dict[tuple[int, int, int], Workload] = field(default_factory=dict)
    _runs: int = 0

    def run(self, settings: RunSettings) -> Result:
        """One run. NodeError when it cannot be brought to its end."""
        _say(f"{settings.scenario} {settings.variant} with {settings.nodes} nodes ...")
        self._runs += 1
        workload = self._workload(settings)
        stage = Stage(self.resources, self.root / f"run-{self._runs}", settings, workload)
        try:
            outcome = SCENARIOS[settings.scenario](stage)
            told = stage.tally()
            after = [read(stage.target(node)) for node in stage.everybody]
        except NodeError:  # its message says all; whatever else goes wrong, the logs are still needed
            stage.tear_down()
            raise
        stage.tear_down()
        return assemble(settings, workload, outcome, after, told)

    def run_with_alone(self, settings: RunSettings) -> tuple[Result, Result]:
        """One run, and before it a cold start of one node on the same links: T(1)."""
        alone = self.run(replace(settings, scenario="cold", nodes=1))
        return alone, with_alone(self.run(settings), alone["last_seconds"])

    def _workload(self, settings: RunSettings) -> Workload:
        key = (settings.model_bytes, settings.shards, settings.seed)
        if key not in self._workloads:
            _say("write the model ...")
            self._workloads[key] = write_workload(self.root / f"model-{len(self._workloads)}" / "model", settings)
        return self._workloads[key]


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
