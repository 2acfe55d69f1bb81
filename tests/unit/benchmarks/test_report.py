"""Outcomes as text, JSON and the document."""

from __future__ import annotations

import json

from benchmarks.local.machine import Machine, describe
from benchmarks.local.measure import Figure, Outcome, Target
from benchmarks.local.report import as_json, as_markdown, as_text

MACHINE = Machine("CPU", 2, 23.5, "6.18", "3.11", ("rclone v1",))
OUTCOME = Outcome(
    "warm: a cached file",
    [Figure("mount, read", "GB/s", (15.0, 16.04, 17.0))],
    [Target("ratio", 0.95, 0.9, "at least"), Target("memory", 1234.5, 400.0, "at most", "MiB")],
)


def test_the_text_has_every_figure_and_every_verdict() -> None:
    assert as_text(OUTCOME).splitlines() == [
        "warm: a cached file",
        "  mount, read       16.0 GB/s  15.0 to 17.0 in 3",
        "  ratio                  0.95  at least 0.9: met",
        "  memory            1,234 MiB  at most 400 MiB: MISSED",
    ]


def test_the_json_has_samples_medians_and_verdicts() -> None:
    document = json.loads(as_json(MACHINE, [OUTCOME]))
    assert document["machine"]["kernel"] == "6.18"
    (outcome,) = document["outcomes"]
    assert outcome["figures"][0]["samples"] == [15.0, 16.04, 17.0]
    assert outcome["figures"][0]["median"] == 16.04
    assert [target["met"] for target in outcome["targets"]] == [True, False]


def test_the_document_names_the_machine_and_holds_the_tables() -> None:
    text = as_markdown(MACHINE, "2GiB", [OUTCOME])
    assert text.startswith("# Benchmarks\n")
    assert "Measured on CPU, 2 cores, 23.5 GiB; Linux 6.18, Python 3.11, rclone v1. Files of 2GiB." in text
    assert "## warm: a cached file\n\n| | median | |\n|---|---:|---|\n" in text
    assert "| mount, read | 16.0 GB/s | 15.0 to 17.0 in 3 |\n" in text
    assert "| **memory** | **1,234 MiB** | at most 400 MiB: MISSED |\n" in text


def test_this_machine_can_be_described() -> None:
    machine = describe(["python3", "no-such-program"])
    assert machine.cores >= 1
    assert machine.memory_gib > 0
    assert machine.tools == (f"Python {machine.python}",)
