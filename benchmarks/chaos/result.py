"""What a run found, as a value, as a table and as JSON. Pure."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.table import Column, Table

from benchmarks.chaos.events import Schedule
from benchmarks.chaos.judging import Verdict
from benchmarks.chaos.reader import Summary, Trouble
from benchmarks.chaos.settings import MOST_STALL_SECONDS

MOST_SHOWN = 20
STALLS_SHOWN = 3
MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One run."""

    schedule: Schedule
    seconds: float
    """What it took, with setting up and taking down."""
    happened: Mapping[str, int]
    """Events by kind."""
    fired: Mapping[str, int]
    """Faults inside the daemons, by label and kind."""
    readers: Mapping[str, Summary]
    verdict: Verdict
    restarts: int
    failures: Sequence[str]
    """Everything that must not be, but for what readers saw."""

    @property
    def stalled(self) -> Sequence[str]:
        """Readers that hung."""
        return [
            f"{name}: a call took {summary.longest_seconds:.1f} s"
            for name, summary in self.readers.items()
            if summary.longest_seconds > MOST_STALL_SECONDS
        ]

    @property
    def longest_stall_seconds(self) -> float:
        """Of a call that ended while the source was there; 0.0 when none was worth noting."""
        return max((stall.ended - stall.began for stall in self.verdict.stalls), default=0.0)

    @property
    def good(self) -> bool:
        """Whether nothing was lost."""
        return self.verdict.good and not self.failures and not self.stalled

    def as_json(self) -> str:
        """Everything but the schedule's events, which have a file of their own."""
        document = {
            "good": self.good,
            "seed": self.schedule.seed,
            "seconds": round(self.seconds, 1),
            "reads": sum(summary.reads for summary in self.readers.values()),
            "bytes": sum(summary.bytes for summary in self.readers.values()),
            "longest_stall_seconds": self.longest_stall_seconds,
            "restarts": self.restarts,
            "events": dict(self.happened),
            "fired": dict(self.fired),
            "excused": {f"{cause} {what}": count for (cause, what), count in sorted(self.verdict.excused.items())},
            "wrong": [asdict(trouble) for trouble in self.verdict.wrong],
            "unexcused": [asdict(trouble) for trouble in self.verdict.unexcused],
            "failures": [*self.failures, *self.stalled],
            "readers": {name: asdict(summary) for name, summary in self.readers.items()},
        }
        return json.dumps(document, indent=1)

    def as_text(self, began: float) -> str:
        """Tables, and the verdict. `began`: the moment on the readers' clock that the schedule's seconds count from."""
        out = io.StringIO()
        console = Console(file=out, width=120)
        console.print(self._readers_table())
        console.print(_counts_table("what happened", self.happened))
        console.print(_counts_table("faults inside the daemons", self.fired))
        if self.verdict.excused:
            told = Counter({f"{cause}: {what}": count for (cause, what), count in self.verdict.excused.items()})
            console.print(_counts_table("errors of readers whose source was gone", told))
        for heading, troubles in (("wrong", self.verdict.wrong), ("not excused", self.verdict.unexcused)):
            for trouble in troubles[:MOST_SHOWN]:
                out.write(f"{heading.upper()}: {describe(trouble, began)}\n")
        for failure in (*self.failures, *self.stalled):
            out.write(f"FAILURE: {failure}\n")
        for stall in self.verdict.stalls[:STALLS_SHOWN]:
            out.write(f"stall: {describe(stall, began)}\n")
        wrong, unexcused = len(self.verdict.wrong), len(self.verdict.unexcused)
        out.write(
            f"seed {self.schedule.seed}: {wrong} wrong, {unexcused} errors without excuse, "
            f"{sum(self.verdict.excused.values())} excused, {self.restarts} restarts, "
            f"longest stall {self.longest_stall_seconds:.1f} s, "
            f"{len(self.failures) + len(self.stalled)} failures: {'good' if self.good else 'FAILED'}\n"
        )
        return out.getvalue()

    def _readers_table(self) -> Table:
        numbers = ("opens", "reads", "MiB", "errors", "wrong", "longest stall s")
        table = Table("reader", *(Column(name, justify="right") for name in numbers))
        for name, one in self.readers.items():
            cells = (one.opens, one.reads, one.bytes // MIB, one.errors, one.wrong)
            table.add_row(name, *map(str, cells), f"{one.longest_seconds:.2f}")
        return table


def describe(trouble: Trouble, began: float) -> str:
    """One trouble in a line."""
    version = "?" if trouble.version is None else trouble.version
    return (
        f"{trouble.ended - began:.2f} s {trouble.reader} {trouble.call} {trouble.name} version {version} at "
        f"{trouble.offset}: {trouble.what}, after {trouble.ended - trouble.began:.2f} s"
    )


def _counts_table(title: str, counts: Mapping[str, int]) -> Table:
    table = Table(title, Column("times", justify="right"))
    for name, count in sorted(counts.items()):
        table.add_row(str(name), str(count))
    return table
