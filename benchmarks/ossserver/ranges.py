"""Which bytes a Range header means, with OSS's two behaviours. Pure.

By default OSS *ignores* a range that is malformed or reaches outside the object and sends the whole object with 200.
Under ``x-oss-range-behavior: standard`` an end beyond the object is cut, a suffix longer than the object is the object,
and a range with nothing in it is refused with 416. Of several ranges only the first counts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .errors import invalid_range

_RANGE = re.compile(r"bytes=(\d*)-(\d*)(?:,.*)?")


@dataclass(frozen=True, slots=True)
class Span:
    """Half-open: bytes ``start`` to ``stop``."""

    start: int
    stop: int

    @property
    def size_bytes(self) -> int:
        """How many bytes it covers."""
        return self.stop - self.start

    def content_range(self, size: int) -> str:
        """As the Content-Range header writes it (inclusive)."""
        return f"bytes {self.start}-{self.stop - 1}/{size}"


def resolve(range_header: str | None, size: int, *, standard: bool) -> Span | None:
    """The span to send with 206, or None for the whole object with 200. Raises 416 InvalidRange if ``standard``."""
    matched = _RANGE.fullmatch(range_header.strip()) if range_header else None
    if matched is None:
        return None
    first, last = matched.groups()
    if not (first or last) or (first and last and int(last) < int(first)):
        return None
    span = _span(first, last, size)
    if 0 <= span.start < span.stop <= size:
        return span
    if not standard:
        return None
    cut = Span(max(span.start, 0), min(span.stop, size))
    if cut.start >= cut.stop:
        raise invalid_range(str(range_header), size)
    return cut


def _span(first: str, last: str, size: int) -> Span:
    """The span as asked for, perhaps outside the object."""
    if not first:
        return Span(size - int(last), size)
    return Span(int(first), int(last) + 1 if last else max(size, int(first)))
