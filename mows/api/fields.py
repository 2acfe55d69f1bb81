"""Kinds of fields in requests, and what must hold between fields: checked here, and said in the OpenAPI document.

A client that was made from the document, or a test that makes requests from it, shall know as much as the daemon.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic.config import JsonDict

from mows.units import DURATION_HELP, SIZE_HELP, parse_bytes, parse_seconds

MOST_SECONDS = 1000 * 365 * 86_400.0
"""Of any duration: a calendar ends somewhere."""

DURATION_PATTERN = r"^([0-9]{1,9}(\.[0-9]{1,3})?|([0-9]{1,5}(\.[0-9]{1,3})?(ms|s|m|h|d) ?){1,3})$"
"""How to write them. A few more ways are understood; see `mows.units`."""

LEAST_RATE = 1_000_000
"""Bytes per second. With less, chunks would take longer than the daemon waits for any."""

RATE_PATTERN = r"^[1-9][0-9]{0,5}(\.[0-9]{1,3})? ?(MB|MiB|GB|GiB)(/s)?$"
"""As `DURATION_PATTERN`."""


def _duration(value: object) -> float:
    try:
        return parse_seconds(value)
    except ValueError as error:
        raise ValueError(f"{value!r} {error}; {DURATION_HELP}") from error


def _rate(value: object) -> float:
    text = value.removesuffix("/s") if isinstance(value, str) else value
    whole = int(value) if isinstance(value, float) and value.is_integer() else text
    try:
        return float(parse_bytes(whole))
    except ValueError as error:
        raise ValueError(f"{value!r} is not a rate; {SIZE_HELP}, and /s if you like") from error


Duration = Annotated[
    float,
    Field(le=MOST_SECONDS),
    BeforeValidator(
        _duration,
        json_schema_input_type=Annotated[float, Field(ge=0, le=MOST_SECONDS)]
        | Annotated[str, Field(pattern=DURATION_PATTERN)],
    ),
]
"""Seconds, or text such as ``2h``."""

Rate = Annotated[
    float,
    Field(ge=LEAST_RATE),
    BeforeValidator(
        _rate,
        json_schema_input_type=Annotated[int, Field(ge=LEAST_RATE)] | Annotated[str, Field(pattern=RATE_PATTERN)],
    ),
]
"""Bytes per second, or text such as ``200MB/s``."""

SourceText = Annotated[str, Field(json_schema_extra={"pattern": "^[A-Za-z][A-Za-z0-9+.-]*://."})]
"""What all sources look like. The rest depends on the scheme, and `cachefs.origin` checks it."""

LEASE_NEEDS_WARM: JsonDict = {
    "anyOf": [
        {"properties": {"lease": {"type": "null"}}},
        {"properties": {"warm": {"const": True}}, "required": ["warm"]},
    ]
}


def _only(name: str, given: JsonDict) -> JsonDict:
    absent: JsonDict = {"blob_ids": {"type": "null"}, "source": {"type": "null"}, "all": {"const": False}}
    return {"properties": {**absent, name: given}, "required": [name]}


ONE_SELECTION: JsonDict = {
    "oneOf": [
        _only("blob_ids", {"type": "array"}),
        _only("source", {"type": "string"}),
        _only("all", {"const": True}),
    ]
}
