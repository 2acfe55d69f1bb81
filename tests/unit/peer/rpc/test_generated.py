"""The generated code is what the generator makes of `peer/peer.proto` and `mows/csi/csi.proto`."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
NAMES = tuple(
    f"{proto}{suffix}" for proto in ("mows/csi/csi", "peer/peer") for suffix in ("_pb2.py", "_pb2.pyi", "_pb2_grpc.py")
)


@pytest.fixture(scope="module")
def command() -> list[str]:
    """What `make proto` runs."""
    found = re.search(r"^\t\$\(PYTHON\) (-m grpc_tools\.protoc .*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert found
    return [sys.executable, *found[1].split()]


@pytest.fixture(scope="module")
def generated(command: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("generated")
    elsewhere = [word.replace("_out=.", f"_out={out}") for word in command]
    subprocess.run(elsewhere, cwd=ROOT, check=True, timeout=60)
    return out


@pytest.mark.parametrize("name", NAMES)
def test_it_is_up_to_date(generated: Path, name: str) -> None:
    assert (generated / name).read_bytes() == (ROOT / name).read_bytes(), "run `make proto`"


def test_nothing_else_is_generated(generated: Path) -> None:
    assert sorted(str(path.relative_to(generated)) for path in generated.rglob("*.py*")) == sorted(NAMES)
