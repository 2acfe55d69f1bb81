"""The daemon under a memory limit of the kernel: a small run of `python -m benchmarks.budget`."""

from __future__ import annotations

import json

import pytest

from benchmarks.budget.__main__ import MIB, main


def test_a_daemon_under_its_limit_is_never_killed(capsys: pytest.CaptureFixture[str]) -> None:
    """SEMANTICS S25: a model twice as large as the tier, eight readers, 30 files, 10,000 objects listed."""
    words = ["--tier-mib", "128", "--files", "30", "--file-mib", "8", "--readers", "8", "--objects", "10000", "--json"]
    assert main(words) == 0
    result = json.loads(capsys.readouterr().out)["result"]
    assert (result["oom_kills"], result["wrong"], result["listed"]) == (0, [], 10_000)
    assert result["anonymous_bytes"] < 512 * MIB
    assert result["peak_bytes"] <= result["limit_bytes"] == 640 * MIB
