"""Takes secrets out of text that is about to leave the daemon: log lines, `mows debug dump`.

Two nets. What the configuration marks as secret is known by its value. What is read from elsewhere (tokens that rotate,
signed URLs that a library quotes in its error) is known by its place: user and password of a URL, the query parameters
that sign one, headers, and ``name=value`` of well-known names. The paths of files and the names of keys stay.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import urlsplit

MASK = "***"

SHORTEST = 6
"""Shorter values are words such as ``true``: to mask them would make lines unreadable and protect nothing."""

_SECRET_NAME = re.compile(r"key|secret|token|password|passwd|sas|credential|signature", re.IGNORECASE)

_PLACES = (
    re.compile(r"(\b[a-z][a-z0-9+.-]*://)[^/\s@\"']*(?=@)", re.IGNORECASE),
    re.compile(
        r"([?&](?:[\w.-]*[-_])?(?:sig|signature|token|credential|securitytoken|\w*accesskeyid|secret|password)=)"
        r"[^&\s\"'#\\]+",
        re.IGNORECASE,
    ),
    re.compile(r"(\b(?:bearer|basic)\s+)[A-Za-z0-9._~+/=-]{6,}", re.IGNORECASE),
    re.compile(r"(\bauthorization\\?[\"']?\s*[:=]\s*\\?[\"']?)[^\"'\\\n]+", re.IGNORECASE),
    re.compile(
        r"(\b(?:access[_-]?key[_-]?secret|secret[_-]?access[_-]?key|(?:x-oss-)?security[_-]?token|session[_-]?token"
        r"|account[_-]?key|client[_-]?secret|password|passwd)\\?[\"']?\s*[:=]\s*\\?[\"']?)[^\s\"',;&}\\]+",
        re.IGNORECASE,
    ),
)


class Redactor:
    """Masks the values it is given, and whatever stands where secrets stand. Thread-safe."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        spellings = {text for value in values if len(value) >= SHORTEST for text in (value, json.dumps(value)[1:-1])}
        longest_first = sorted(spellings, key=lambda text: (-len(text), text))
        self._values = re.compile("|".join(map(re.escape, longest_first))) if spellings else None

    def __call__(self, text: str) -> str:
        """`text` without them."""
        if self._values is not None:
            text = self._values.sub(MASK, text)
        for place in _PLACES:
            text = place.sub(rf"\1{MASK}", text)
        return text


def secrets_of(section: object) -> Iterator[str]:
    """All values in a configuration that are marked as secret: of a mapping, those whose name says so."""
    if isinstance(section, tuple):
        for part in section:
            yield from secrets_of(part)
    if dataclasses.is_dataclass(section):
        for field in dataclasses.fields(section):
            value = getattr(section, field.name)
            yield from _values(value) if field.metadata.get("secret") else secrets_of(value)


def _values(value: object) -> Iterator[str]:
    if isinstance(value, str):  # of a URL only the password: which host does not answer is what a person must read
        yield (urlsplit(value).password or "") if "://" in value else value
    elif isinstance(value, Mapping):
        yield from (text for name, text in value.items() if isinstance(text, str) and _SECRET_NAME.search(name))
