"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Machine:
    """Enough to tell whether two runs can be compared."""

    processor: str
    cores: int
    memory_gib: float
    kernel: str
    python: str
    tools: tuple[str, ...]
    """First line of what rclone, s3fs and aria2c say of their version."""


def describe(tools: Sequence[str | Path]) -> Machine:
    """This machine; `tools` are programs that know ``--version``, of which it may not have all."""
    return Machine(
        processor=_field("/proc/cpuinfo", "model name") or platform.machine(),
        cores=len(os.sched_getaffinity(0)),
        memory_gib=round(int(_field("/proc/meminfo", "MemTotal").split()[0]) / 2**20, 1),
        kernel=platform.release(),
        python=platform.python_version(),
        tools=tuple(_version(found) for tool in tools if (found := which(tool))),
    )


def _field(file: str, name: str) -> str:
    lines = Path(file).read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")


def which(tool: str | Path) -> Path | None:
    """The program `tool`, from this virtual environment or from the PATH; None when it is not installed."""
    found = shutil.which(tool, path=Path(sys.executable).parent) or shutil.which(tool)
    return Path(found) if found else None


def _version(tool: Path) -> str:
    return subprocess.run([tool, "--version"], check=True, capture_output=True, text=True).stdout.splitlines()[0]
