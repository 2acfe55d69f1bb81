"""``python -m benchmarks.screenshots``: takes docs/page-*.png during a scale-out in the lab. Needs root and chromium.

Six nodes start cold and warm one model from a slow origin; on the first one a program reads it at the same time. The
pictures show that node's page while the load is under way, and everything on them is as the daemon told it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from benchmarks.lab.leftovers import prefix_of
from benchmarks.lab.rates import parse_rate
from benchmarks.node.resources import Resources, run_owning
from benchmarks.node.scratch import scratch
from benchmarks.scaleout.settings import RunSettings
from benchmarks.scaleout.stage import Stage, write_workload
from benchmarks.scaleout.waiting import is_readable, is_warm
from benchmarks.screenshots.chromium import Browser

PORT = 9301
WIDE, PHONE = (1180, 900), (360, 780)
UNDER_WAY = "parseFloat(document.querySelector('#mounts .row b')?.innerText) > {percent}"
SETTINGS = RunSettings(
    scenario="cold",
    nodes=6,
    link=parse_rate("100Mbit"),
    origin_total=parse_rate("100Mbit"),
    model_bytes=384 << 20,
    shard_bytes=96 << 20,
    chunk_bytes=512 << 10,
)


def take(resources: Resources, directory: Path) -> int:
    """Play the scale-out, and take the pictures."""
    root = resources.enter(scratch(SETTINGS.room_bytes + SETTINGS.model_bytes, prefix=prefix_of(os.getpid())))
    stage = Stage(resources, root / "run", SETTINGS, write_workload(root / "model", SETTINGS))
    stage.start(stage.everybody, {"api": {"listen": f"127.0.0.1:{PORT}"}})
    first = stage.nodes[0]
    browser = resources.enter(Browser(root / "chromium", first.place.prefix))
    _open(browser)
    stage.mount(stage.everybody, warm=True)
    stage.wait([0], is_readable)
    with subprocess.Popen(["sh", "-c", f"cat {stage.target(0)}/* > /dev/null"]) as reader:
        browser.wait_for(UNDER_WAY.format(percent=35))
        for scheme in ("light", "dark"):
            browser.prefer("light" if scheme == "light" else "dark")
            browser.screenshot(directory / f"page-{scheme}.png")
        browser.resize(*PHONE)
        browser.wait_for("Number(document.querySelector('#picture').getAttribute('viewBox').split(' ')[2]) < 360")
        browser.screenshot(directory / "page-phone.png")
        stage.wait(stage.everybody, is_warm)
        return reader.wait()


def _open(browser: Browser) -> None:
    browser.resize(*WIDE)
    browser.open(f"http://127.0.0.1:{PORT}/")
    browser.wait_for("document.body?.dataset.at")


def main() -> int:
    """From the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("docs"), help="directory (default: %(default)s)")
    options = parser.parse_args()
    return run_owning(lambda resources: take(resources, options.output))


if __name__ == "__main__":
    sys.exit(main())
