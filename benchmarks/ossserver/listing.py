"""One page of a listing: prefix, delimiter, where to go on, how many. Pure, over a sorted sequence of keys.

A common prefix counts as one entry. The position to go on after is the last entry of the page, be it key or prefix; a
prefix is left out when the position is that very prefix, so that paging ends.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_BEHIND_ALL = "\U0010ffff"  # sorts behind every character that a key can continue with


@dataclass(frozen=True, slots=True)
class Page:
    """``next_after`` is set when there is more."""

    keys: tuple[str, ...]
    common_prefixes: tuple[str, ...]
    next_after: str | None

    @property
    def count(self) -> int:
        """Keys and common prefixes together."""
        return len(self.keys) + len(self.common_prefixes)


@dataclass(frozen=True, slots=True)
class Query:
    """What to list. ``after`` is exclusive; ``limit`` counts keys and common prefixes."""

    prefix: str = ""
    delimiter: str = ""
    after: str = ""
    limit: int = 100


def list_page(sorted_keys: Sequence[str], query: Query) -> Page:
    """The page; ``sorted_keys`` in code point order, which is the order of their UTF-8 bytes."""
    keys: list[str] = []
    prefixes: list[str] = []
    last: str | None = None
    for name, is_prefix in _entries(sorted_keys, query):
        if len(keys) + len(prefixes) == query.limit:
            return Page(tuple(keys), tuple(prefixes), last)
        (prefixes if is_prefix else keys).append(name)
        last = name
    return Page(tuple(keys), tuple(prefixes), None)


def _entries(keys: Sequence[str], query: Query) -> Iterator[tuple[str, bool]]:
    """Names in order with whether they are common prefixes; what lies under one is jumped over."""
    index = max(bisect_left(keys, query.prefix), bisect_right(keys, query.after) if query.after else 0)
    while index < len(keys) and keys[index].startswith(query.prefix):
        cut = keys[index].find(query.delimiter, len(query.prefix)) if query.delimiter else -1
        if cut < 0:
            yield keys[index], False
            index += 1
            continue
        common = keys[index][: cut + len(query.delimiter)]
        if common != query.after:
            yield common, True
        index = bisect_left(keys, common + _BEHIND_ALL)
