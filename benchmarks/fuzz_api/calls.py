"""The calls: one run of schemathesis against a world, and what came of it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.fuzz_api.world import TOKEN, World

SETTINGS = Path(__file__).with_name("schemathesis.toml")
NAMES = ("a", "b", "c")
"""Ids of mounts and instances: few, so that calls meet what others made."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended."""

    passed: bool
    operations: int
    tested: int
    """Operations that were called."""
    calls: int
    failures: tuple[str, ...]
    output: str
    """What schemathesis wrote: each failure with the call that shows it."""


def call_all(world: World, where: Path, *, seed: int, amount: tuple[str, ...]) -> Outcome:
    """Call everything; `amount` are the options of schemathesis that end it. Blocks until then."""
    where.mkdir()
    shutil.copy(SETTINGS, where)
    for name, values in (("sources", world.sources), ("mount-paths", world.mount_paths), ("names", NAMES)):
        (where / name).write_text("".join(f"{json.dumps(value)}\n" for value in values))
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", SETTINGS.name, "run"]
    command += [f"{world.url}/openapi.json", "--header", f"Authorization: Bearer {TOKEN}"]
    command += ["--seed", str(seed), "--report-json-path", "report.json", *amount]
    run = subprocess.run(command, cwd=where, capture_output=True, text=True, check=False)
    report = where / "report.json"
    document = json.loads(report.read_text()) if report.exists() else {}
    return outcome_of(document, run.stdout + run.stderr, passed=run.returncode == 0)


def outcome_of(report: dict[str, Any], output: str, *, passed: bool) -> Outcome:
    """From schemathesis' report, which has nothing when it could not begin."""
    operations = report.get("operations") or {}
    wrong = [row for kind in ("failures", "errors") for row in report.get(kind, ())]
    return Outcome(
        passed=passed and bool(report.get("complete")),
        operations=operations.get("total", 0),
        tested=operations.get("tested", 0),
        calls=report.get("test_cases", {}).get("generated", 0),
        failures=tuple(f"{row['title']} ({row['count']})" for row in wrong),
        output=output,
    )
