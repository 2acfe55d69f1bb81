"""The origins as configured: whether they may be listed, and whether their clocks agree with ours."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import httpx

from cachefs.errors import CacheError
from cachefs.ports import Origin
from cachefs.types import Deadline
from cli.doctor.finding import Finding, fail, ok, warn
from cli.units import duration_text

LIST_SECONDS = 15.0
"""For one page of a listing; an endpoint that needs longer will not feed a cold start either."""
DATE_SECONDS = 5.0
FATAL_SKEW_SECONDS = 15 * 60
"""Beyond this OSS and S3 refuse signatures with RequestTimeTooSkewed."""
ODD_SKEW_SECONDS = 30
"""NTP keeps a clock within milliseconds: half a minute means that nothing keeps this one."""


@dataclass(frozen=True, slots=True)
class Target:
    """One configured origin. `prefix` is what to list, None where the rule names no bucket to list.

    `open` builds the origin; it may raise CacheError. `endpoint` is a URL, or empty.
    """

    name: str
    prefix: str | None
    endpoint: str
    open: Callable[[], Origin]


def probe(targets: Sequence[Target]) -> Iterator[Finding]:
    """All checks of this module. Blocks on the network, up to LIST_SECONDS + DATE_SECONDS an origin."""
    for target in targets:
        yield listing(target, Deadline.after(LIST_SECONDS))
    for endpoint in sorted({target.endpoint for target in targets if target.endpoint}):
        yield clock(endpoint, _server_date(endpoint), time.time())


def listing(target: Target, deadline: Deadline) -> Finding:
    """Whether the first page of `target` can be listed with the configured credentials."""
    name = f"origin {target.name}"
    if target.prefix is None:
        return ok(name, "names no bucket to list; mounts will show")
    try:
        with closing(target.open()) as origin:
            page = next(iter(origin.list(target.prefix, deadline)), ())
    except CacheError as error:
        return fail(name, f"{error} ({error.code})", error.hint or "look at the endpoint and the credentials")
    if not page:
        return warn(name, "may be listed, and is empty", "check the bucket and the prefix")
    return ok(name, f"may be listed ({len(page)} objects on the first page)")


def clock(endpoint: str, date: str | None, now: float) -> Finding:
    """Compares `now` (seconds since 1970) with the ``Date`` that the server at `endpoint` answered with."""
    name = f"clock against {endpoint}"
    if date is None:
        return warn(name, "the endpoint did not say what time it has", "check that it is reachable from this node")
    skew_seconds = now - parsedate_to_datetime(date).timestamp()
    text = f"this node is {duration_text(abs(skew_seconds))} {'ahead' if skew_seconds > 0 else 'behind'}"
    remedy = "synchronise this node's clock (chrony, ntpd)"
    if abs(skew_seconds) >= FATAL_SKEW_SECONDS:
        return fail(name, f"{text}: signatures are refused", remedy)
    if abs(skew_seconds) >= ODD_SKEW_SECONDS:
        return warn(name, text, remedy)
    return ok(name, "agrees")


def _server_date(endpoint: str) -> str | None:
    """The ``Date`` of any answer; an unsigned request is refused, and dated all the same."""
    url = endpoint if "://" in endpoint else f"https://{endpoint}"
    try:
        answer = httpx.head(url, timeout=DATE_SECONDS)
    except (httpx.HTTPError, httpx.InvalidURL):
        return None
    date = answer.headers.get("date")
    return str(date) if date else None
