"""docs/SECURITY.md: each threat has a test, and the tests are there."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "SECURITY.md").read_text()
NAMED = re.compile(r"`(tests/[\w/]+\.py)((?:::\w+)*)`")


def threats() -> list[list[str]]:
    """The rows of the table of threats: threat, defence, tests."""
    table = TEXT.split("## Threats")[1].split("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| ")]
    return rows[1:]  # below the heading


def definitions(path: Path) -> set[str]:
    """``test_x`` and ``TestY::test_z`` of a file."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.ClassDef):
            found |= {f"{node.name}::{below.name}" for below in node.body if hasattr(below, "name")}
    return found


@pytest.mark.parametrize("row", threats(), ids=lambda row: row[0][:40])
def test_each_threat_has_a_defence_and_a_test(row: list[str]) -> None:
    assert len(row) == 3
    assert NAMED.search(row[2])


@pytest.mark.parametrize(("path", "name"), sorted({match.groups() for match in NAMED.finditer(TEXT)}))
def test_the_tests_it_names_are_there(path: str, name: str) -> None:
    assert (ROOT / path).exists()
    assert not name or name.removeprefix("::") in definitions(ROOT / path)


def test_what_it_says_of_files_and_formats_is_so() -> None:
    assert (ROOT / "deploy/seccomp/mows.json").exists()
    example = json.loads(TEXT.split("```json")[1].split("```")[0])
    assert {"time", "action", "caller", "request_id", "outcome", "status"} <= example.keys()
