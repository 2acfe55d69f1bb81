"""The reference controller, from service files to running instances on two daemons and back to nothing."""

from __future__ import annotations

import pytest

from benchmarks.controller.__main__ import main, run

MIB = 1 << 20


def test_scaled_and_rolled_and_everything_released(capsys: pytest.CaptureFixture[str]) -> None:
    outcome = run(4 * MIB, most=4)
    assert outcome.left_over == []
    assert sum(outcome.spread.values()) == 6
    assert all(count >= 2 for count in outcome.spread.values())  # cold, the emptiest node is the best
    assert outcome.origin_bytes <= 2 * outcome.model_bytes  # two nodes, and not six instances
    log = capsys.readouterr().out
    assert log.count("runs on") == 2 + 2 + 2 + 2
    assert log.count("runs on") == log.count("is released on")
    assert "failed" not in log


def test_a_size_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--model", "much"])
    assert "much" in capsys.readouterr().err
