"""Progress of long work on standard error: a bar with rate and ETA on a terminal, plain lines in a pipe.

The daemon counts; this only shows. A `Sample` is what a mount or a prewarm says about itself at one moment.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol, Self, TextIO

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TransferSpeedColumn,
)
from rich.text import Text

from cli.units import duration_text, rate_text, size_text

LINE_SECONDS = 5.0
"""At most one plain line in this time: often enough to see life in a log, seldom enough to keep it short."""


@dataclass(frozen=True, slots=True)
class Sample:
    """How far the work is. `eta_seconds` is the daemon's estimate, None while it has none."""

    state: str
    done_bytes: int
    total_bytes: int
    eta_seconds: float | None = None
    parts: tuple[tuple[str, Sample], ...] = ()
    """Name and progress of each node, where several work on it."""


class Reporter(Protocol):
    """Shows samples of one piece of work."""

    def show(self, sample: Sample) -> None:
        """Show `sample`, or nothing if the last one is too recent."""
        ...


def reporter(title: str, *, quiet: bool) -> AbstractContextManager[Reporter]:
    """What suits standard error; nothing at all when `quiet` (``--json``)."""
    if quiet:
        return nullcontext(Silent())
    return BarReporter(title) if sys.stderr.isatty() else nullcontext(LineReporter(title, sys.stderr))


class Silent:
    """Shows nothing."""

    def show(self, sample: Sample) -> None:
        """Nothing."""


class EtaColumn(ProgressColumn):
    """The daemon's own estimate: it sees what a bar does not, such as how fast it went of late."""

    def render(self, task: Task) -> Text:
        """See `ProgressColumn`."""
        eta_seconds = task.fields.get("eta_seconds")
        return Text("" if eta_seconds is None else f"{duration_text(eta_seconds)} left", style="cyan")


class BarReporter:
    """A bar that fits the terminal, and one for each node; removed at the end: the result line says what happened."""

    def __init__(self, title: str) -> None:
        console = Console(stderr=True)
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(binary_units=True),
            TransferSpeedColumn(),
            EtaColumn(),
        )
        self._progress = Progress(*columns, console=console, transient=True)
        self._title = title
        self._tasks: dict[str, TaskID] = {"": self._progress.add_task(title, total=None)}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, sample: Sample) -> None:
        """Move the bars; one without a total only pulses."""
        self._move("", f"{sample.state} {self._title}", sample)
        for name, part in sample.parts:
            self._move(name, f"  {part.state} {name}", part)

    def _move(self, name: str, description: str, sample: Sample) -> None:
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(description, total=None)
        self._progress.update(
            self._tasks[name],
            description=description,
            completed=sample.done_bytes,
            total=sample.total_bytes or None,
            eta_seconds=sample.eta_seconds,
        )


class LineReporter:
    """One line for every change of state, and else one every `LINE_SECONDS`."""

    def __init__(self, title: str, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._title = title
        self._stream = stream
        self._clock = clock
        self._last: tuple[float, Sample] | None = None

    def show(self, sample: Sample) -> None:
        """Write a line if one is due."""
        now = self._clock()
        if self._last is not None:
            last_time, last = self._last
            if last.state == sample.state and now - last_time < LINE_SECONDS:
                return
        rate = self._rate(now, sample)
        self._last = (now, sample)
        click.echo(line_text(self._title, sample, rate), file=self._stream)

    def _rate(self, now: float, sample: Sample) -> float | None:
        # With another total the work itself has changed, and the difference is no speed.
        if self._last is None or now <= self._last[0] or sample.total_bytes != self._last[1].total_bytes:
            return None
        return (sample.done_bytes - self._last[1].done_bytes) / (now - self._last[0])


def line_text(title: str, sample: Sample, bytes_per_second: float | None) -> str:
    """``warming TITLE: 50 % (1.0 GiB of 2.0 GiB), 1.2 GB/s, 4 s left``; unknown parts are left out."""
    parts = []
    if sample.total_bytes:
        percent = 100 * sample.done_bytes // sample.total_bytes
        parts.append(f"{percent} % ({size_text(sample.done_bytes)} of {size_text(sample.total_bytes)})")
    if bytes_per_second:
        parts.append(rate_text(bytes_per_second))
    if sample.eta_seconds:
        parts.append(f"{duration_text(sample.eta_seconds)} left")
    if sample.parts:
        done = ((name, part.done_bytes, part.total_bytes) for name, part in sample.parts)
        parts.append(" ".join(f"{name} {100 * here // total if total else 0} %" for name, here, total in done))
    return f"{sample.state} {title}" + (": " + ", ".join(parts) if parts else "")
