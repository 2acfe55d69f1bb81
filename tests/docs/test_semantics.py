"""Every promise of docs/SEMANTICS.md is quoted by a test that shows it."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_statement_is_quoted_by_a_test() -> None:
    stated = set(re.findall(r"\*\*(S\d+)\*\*", (ROOT / "docs/SEMANTICS.md").read_text()))
    quoted = {
        number
        for path in (ROOT / "tests").rglob("test_*.py")
        for number in re.findall(r"SEMANTICS (S\d+)\b", path.read_text())
    }
    assert stated
    assert stated - quoted == set(), "promised, but no test quotes it"
    assert quoted - stated == set(), "quoted by a test, but not promised"
