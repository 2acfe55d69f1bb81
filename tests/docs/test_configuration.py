"""docs/CONFIGURATION.md is what the configuration classes say."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

from mows.config import Config
from mows.config.docs import render

DOCUMENT = Path(__file__).parents[2] / "docs" / "CONFIGURATION.md"


def _sections(kind: Any) -> Iterator[type]:
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        yield kind
        for hint in get_type_hints(kind).values():
            yield from _sections(hint)
    for part in get_args(kind):
        yield from _sections(part)


def test_the_document_is_up_to_date() -> None:
    assert DOCUMENT.read_text() == render(), "run: python -m mows.config.docs > docs/CONFIGURATION.md"


def test_every_field_says_what_it_is_for() -> None:
    silent = [
        f"{section.__name__}.{row.name}"
        for section in _sections(Config)
        if section is not Config
        for row in dataclasses.fields(section)
        if not row.metadata.get("doc", "").endswith(".")
    ]
    assert silent == []
