"""The transfer benchmark, small: two processes exchange a whole model in every way. How fast is not judged."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from benchmarks.node.processes import REPOSITORY

COMMAND = (sys.executable, "-m", "benchmarks.transfer", "--size", "20MiB", "--repeats", "1", "--json")


def test_every_way_moves_the_model_and_nothing_is_left() -> None:
    done = subprocess.run(COMMAND, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (outcome,) = json.loads(done.stdout)["outcomes"]
    speeds = [figure["median"] for figure in outcome["figures"] if figure["unit"] == "GB/s"]
    assert len(speeds) == 5
    assert min(speeds) > 0
    assert [target["bound"] for target in outcome["targets"]] == [0.8, 0.7]
    assert "mows-transfer-" not in Path("/proc/self/mountinfo").read_text()
    assert not list(Path("/dev/shm").glob("mows-transfer-*"))
