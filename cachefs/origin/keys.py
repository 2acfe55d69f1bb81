"""One set of access keys, and how it is read from the JSON document that files, programs and ECS hand out."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime


class InvalidKeys(Exception):
    """A provider failed or gave something that is no set of keys. The text never holds what it gave."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys to sign with. Secrets are left out of the repr. `expires_at` is seconds since the epoch; None: never."""

    access_key_id: str
    access_key_secret: str = field(repr=False)
    security_token: str = field(default="", repr=False)
    expires_at: float | None = None


def parse_keys(document: str | bytes) -> Keys:
    """The keys in a JSON document. Raises InvalidKeys, naming the field that is missing or wrong."""
    try:
        fields = json.loads(document)
    except ValueError:
        raise InvalidKeys("not a JSON document") from None
    if not isinstance(fields, dict):
        raise InvalidKeys("not a JSON object")
    if fields.get("Code", "Success") != "Success":
        raise InvalidKeys(f"Code is {fields['Code']!r}")
    expiration = _text(fields, "Expiration", required=False)
    return Keys(
        access_key_id=_text(fields, "AccessKeyId"),
        access_key_secret=_text(fields, "AccessKeySecret"),
        security_token=_text(fields, "SecurityToken", required=False),
        expires_at=_moment(expiration) if expiration else None,
    )


def _text(fields: dict[str, object], name: str, *, required: bool = True) -> str:
    value = fields.get(name)
    if value is None and not required:
        return ""
    if not isinstance(value, str) or (required and not value):
        raise InvalidKeys(f"{name} is missing or not a text")
    return value


def _moment(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidKeys(f"Expiration is not a date: {text!r}") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
