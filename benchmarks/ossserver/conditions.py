"""If-Match and its three relatives, in the order of RFC 9110. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from .errors import not_modified, precondition_failed


def check(headers: Mapping[str, str], etag: str, modified: int) -> None:
    """Raise 412 or 304 when a condition does not hold. ``etag`` without quotes, ``modified`` in Unix seconds."""
    if (wanted := headers.get("if-match")) is not None and not _names(wanted, etag):
        raise precondition_failed("If-Match")
    since = _seconds(headers.get("if-unmodified-since"))
    if since is not None and modified > since:
        raise precondition_failed("If-Unmodified-Since")
    if (unwanted := headers.get("if-none-match")) is not None and _names(unwanted, etag):
        raise not_modified()
    since = _seconds(headers.get("if-modified-since"))
    if since is not None and modified <= since:
        raise not_modified()


def _names(header: str, etag: str) -> bool:
    """Whether a list of tags holds this one; OSS takes them with and without quotes, in either case."""
    tags = {tag.strip().strip('"').upper() for tag in header.split(",")}
    return "*" in tags or etag.upper() in tags


def _seconds(header: str | None) -> int | None:
    """An HTTP date in Unix seconds, or None when there is none that can be read."""
    if header is None:
        return None
    try:
        return int(parsedate_to_datetime(header).timestamp())
    except ValueError:
        return None
