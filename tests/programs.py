"""Programs of this repository, run as a terminal runs them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from benchmarks.node.processes import REPOSITORY


@contextmanager
def running(module: str, words: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    """``python -m MODULE WORDS...`` in a process group of its own, with its outputs on pipes; killed if it is left."""
    with subprocess.Popen(
        [sys.executable, "-m", module, *words],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    ) as process:
        try:
            yield process
        finally:
            process.kill()
