"""docs/OPERATIONS.md knows every error, with the remedy that its hint gives; and every operation of the watchdog."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import mows.errors
from cachefs.errors import CacheError

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "OPERATIONS.md").read_text()
CODES = DOCUMENT.split("\n## Error codes\n")[1].split("\n## ")[0]
ROWS = {cells[0].strip("`"): cells for line in re.findall(r"^\| (`\w+` \|.*) \|$", CODES, re.MULTILINE)
        if (cells := line.split(" | "))}  # fmt: skip


def _tree(kind: type[CacheError]) -> Iterator[type[CacheError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _tree(child)


KINDS = {
    kind.code: kind
    for kind in reversed(list(_tree(CacheError)))
    if kind.__module__ in {"cachefs.errors", "mows.errors"}
}


def test_the_codes_are_those_of_both_trees() -> None:
    assert mows.errors.ServiceError in _tree(CacheError)
    assert set(ROWS) == set(KINDS)


@pytest.mark.parametrize("code", sorted(KINDS))
def test_each_has_symptom_log_cause_and_a_remedy_that_agrees_with_its_hint(code: str) -> None:
    row = ROWS[code]
    assert len(row) == 5, "code, symptom, what the log says, cause, remedy"
    assert all(row)
    if KINDS[code].default_hint:
        assert row[-1] == KINDS[code].default_hint


def test_every_operation_that_is_watched_is_explained() -> None:
    sources = [path.read_text() for package in ("cachefs", "mows", "peer") for path in (ROOT / package).rglob("*.py")]
    watched = {name for text in sources for name in re.findall(r'\.(?:watched|awaited)\(\s*"([\w. ]+)"', text)}
    reported = {name for text in sources for name in re.findall(r'^\s+name="([\w.]+)",$', text, re.MULTILINE)}
    table = re.search(r"\| operation \| deadline .*?\n\n", DOCUMENT, re.DOTALL)
    assert table is not None
    explained = set(
        re.findall(r"`([\w. ]+)`", " ".join(row.split("|")[1] for row in table[0].strip().splitlines()[2:]))
    )
    assert {"open", "list", "mount"} <= watched
    assert watched | (reported & {"read", "warm"}) | {"origin.read", "peer.read", "store.verify"} == explained
