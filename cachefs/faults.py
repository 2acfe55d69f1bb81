"""Faults by operation label: what the tests and the chaos run break, on purpose, in a whole daemon.

Every call that can fail has a label: ``store.<step>``, ``origin.<call>``, ``peer.<call>``, and ``clock``. Whoever makes
the call asks a `Faults` first. The one of production plans nothing and is asked nowhere on a hot path: the store, the
origins and the links to peers are wrapped only when there is a plan (`PlannedFaults`), which a daemon reads from the
file that the environment variable ``MOWS_FAULTS`` names::

    {"seed": 1, "faults": [{"label": "store.data_write", "kind": "errno", "errno": "ENOSPC", "ratio": 0.2}]}

A label may be a pattern (``store.*``). Write a new plan beside the file and rename it over: a plan that cannot be read
is logged, and the one before stays in force.
"""

from __future__ import annotations

import asyncio
import errno
import fnmatch
import json
import logging
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, Literal, get_args

log = logging.getLogger(__name__)

PLAN_VARIABLE: Final = "MOWS_FAULTS"
"""The environment variable that names the plan's file."""
FIRED_VARIABLE: Final = "MOWS_FAULTS_FIRED"
"""Names a file that gets one line, ``<label> <kind>``, for each fault just before it happens; SIGKILL included."""

CLOCK: Final = "clock"

Kind = Literal["errno", "short", "slow", "kill", "jump"]


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong. Raises ValueError for values that mean nothing."""

    label: str
    """What it happens to; ``*`` and ``?`` stand for any characters."""
    kind: Kind
    """``errno``: the call fails. ``short``: it moves half of its bytes. ``slow``: it takes `seconds` longer. ``kill``:
    SIGKILL to this process instead of the call. ``jump``: wall clocks are off by `seconds`."""
    errno: str = "EIO"
    ratio: float = 1.0
    """How many of the calls it happens to, chosen at random by the plan's seed."""
    seconds: float = 0.0
    times: int | None = None
    """How often it happens; None for ever."""
    skip: int = 0
    """How many calls pass before."""

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise ValueError(f"{self.label}: no fault is of kind {self.kind!r}; use one of {', '.join(get_args(Kind))}")
        if self.errno not in errno.errorcode.values():
            raise ValueError(f"{self.label}: there is no errno {self.errno!r}")
        if not 0 <= self.ratio <= 1:
            raise ValueError(f"{self.label}: the ratio {self.ratio} is not between 0 and 1")

    def as_error(self) -> OSError:
        """What the call raises."""
        number: int = getattr(errno, self.errno)
        return OSError(number, os.strerror(number))


@dataclass(frozen=True, slots=True)
class Plan:
    """What goes wrong. `seed` decides which calls a ratio below 1 picks, per label."""

    seed: int = 0
    faults: tuple[Fault, ...] = ()

    @classmethod
    def decode(cls, text: str) -> Plan:
        """From the JSON of a plan's file. Raises ValueError, TypeError or KeyError."""
        document: Mapping[str, Any] = json.loads(text)
        known = {field.name for field in fields(Fault)}
        for row in document["faults"]:
            if strange := sorted(row.keys() - known):
                raise ValueError(f"a fault has no {', '.join(strange)}; it has {', '.join(sorted(known))}")
        return cls(int(document.get("seed", 0)), tuple(Fault(**row) for row in document["faults"]))

    def check_labels(self, known: Collection[str]) -> None:
        """Raises ValueError for a fault that could never happen."""
        for fault in self.faults:
            if not fnmatch.filter(known, fault.label):
                raise ValueError(f"no call has the label {fault.label!r}")


class Faults:
    """Asked before a call with a label. This one plans nothing. Thread-safe, and so are those that inherit from it."""

    def draw(self, label: str) -> Fault | None:  # noqa: ARG002 (for those that inherit)
        """What is to happen to this call. It counts as having happened."""
        return None

    def time(self) -> float:
        """The wall clock: Unix time."""
        return time.time()

    def check(self, label: str) -> None:
        """Raises OSError, sleeps or kills this process as planned; blocks only to sleep."""
        if fault := self.draw(label):
            _suffer(fault)

    def cut(self, label: str, size_bytes: int) -> int:
        """As `check`, for a call that moves bytes: how many of them it is to move, at least one if there are any."""
        fault = self.draw(label)
        if fault is None:
            return size_bytes
        _suffer(fault)
        return -(-size_bytes // 2) if fault.kind == "short" else size_bytes

    async def check_on_loop(self, label: str) -> None:
        """As `check`, without blocking the loop."""
        fault = self.draw(label)
        if fault is None:
            return
        if fault.kind == "slow":
            await asyncio.sleep(fault.seconds)
        else:
            _suffer(fault)


class PlannedFaults(Faults):
    """The faults of a file, which is looked at before each call and read again when it changed.

    `fired` gets one line for each fault that happens. A fault that stays in the file keeps its count of `times` and
    `skip`. Raises OSError, and ValueError, TypeError or KeyError for a file that is no plan, or has unknown labels.
    """

    def __init__(self, path: Path, *, labels: Collection[str] = (), fired: Path | None = None) -> None:
        self._path = path
        self._labels = labels
        self._fired = fired
        self._lock = threading.Lock()  # guards all below
        self._stamp = self._look()
        self._plan = self._read()
        self._passed: Counter[Fault] = Counter()
        self._happened: Counter[Fault] = Counter()
        self._random: dict[str, random.Random] = {}

    def draw(self, label: str) -> Fault | None:
        """See `Faults`. A jump of the clock is no fault of a call."""
        with self._lock:
            self._renew()
            fault = next((fault for fault in self._matching(label) if self._happens(fault, label)), None)
        if fault and self._fired:
            _append(self._fired, f"{label} {fault.kind}\n")
        return fault

    def time(self) -> float:
        """See `Faults`."""
        fault = self.draw(CLOCK)
        return time.time() + (fault.seconds if fault and fault.kind == "jump" else 0.0)

    def _matching(self, label: str) -> list[Fault]:
        return [fault for fault in self._plan.faults if fnmatch.fnmatchcase(label, fault.label)]

    def _happens(self, fault: Fault, label: str) -> bool:
        if fault.times is not None and self._happened[fault] >= fault.times:
            return False
        self._passed[fault] += 1
        if self._passed[fault] <= fault.skip:
            return False
        chance = self._random.setdefault(label, random.Random(f"{self._plan.seed}:{label}"))  # noqa: S311 - no secret
        if chance.random() >= fault.ratio:
            return False
        self._happened[fault] += 1
        return True

    def _renew(self) -> None:
        try:
            stamp = self._look()
            if stamp != self._stamp:
                self._stamp = stamp
                self._replace(self._read())
        except (OSError, ValueError, TypeError, KeyError) as error:
            log.warning("fault plan %s: %s; the one before stays in force", self._path, error)

    def _replace(self, plan: Plan) -> None:
        if plan.seed != self._plan.seed:
            self._random.clear()
        self._plan = plan
        for counter in (self._passed, self._happened):
            for fault in counter.keys() - set(plan.faults):
                del counter[fault]

    def _look(self) -> tuple[int, int, int]:
        status = os.stat(self._path)
        return status.st_ino, status.st_size, status.st_mtime_ns

    def _read(self) -> Plan:
        plan = Plan.decode(self._path.read_text())
        if self._labels:
            plan.check_labels(self._labels)
        return plan


def planned(environment: Mapping[str, str], labels: Collection[str]) -> PlannedFaults | None:
    """The faults that `environment` asks for, said in a WARNING; None in production. Raises as `PlannedFaults`."""
    path = environment.get(PLAN_VARIABLE)
    if not path:
        return None
    fired = environment.get(FIRED_VARIABLE)
    faults = PlannedFaults(Path(path), labels=labels, fired=Path(fired) if fired else None)
    log.warning("%s=%s: this daemon fails on purpose; it is for tests only", PLAN_VARIABLE, path)
    return faults


def _suffer(fault: Fault) -> None:
    if fault.kind == "errno":
        raise fault.as_error()
    if fault.kind == "slow":
        time.sleep(fault.seconds)
    elif fault.kind == "kill":
        os.kill(os.getpid(), signal.SIGKILL)


def _append(path: Path, line: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, line.encode())
    finally:
        os.close(fd)
