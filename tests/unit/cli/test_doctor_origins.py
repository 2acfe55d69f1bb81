"""Listing with the configured credentials, and clocks."""

from email.utils import formatdate

import pytest

from cachefs.errors import ClockSkew, OriginDenied
from cachefs.origin.memory import MemoryOrigin
from cachefs.ports import Origin
from cachefs.types import Deadline
from cli.doctor.finding import Level
from cli.doctor.origins import FATAL_SKEW_SECONDS, ODD_SKEW_SECONDS, Target, clock, listing, probe

NOW = 1_800_000_000.0


def _denied() -> Origin:
    raise OriginDenied("oss://b: AccessDenied")


def _skewed() -> Origin:
    raise ClockSkew("oss://b: RequestTimeTooSkewed", hint="")


def _memory(*keys: str) -> Origin:
    origin = MemoryOrigin("mem://b")
    for key in keys:
        origin.put(key, b"x")
    return origin


def test_a_listing_that_works_is_ok() -> None:
    finding = listing(Target("mem://b/", "", "", lambda: _memory("a", "b")), Deadline.after(60))
    assert (finding.level, finding.message) == (Level.OK, "may be listed (2 objects on the first page)")


def test_an_empty_bucket_is_worth_a_warning() -> None:
    assert listing(Target("mem://b/", "", "", _memory), Deadline.after(60)).level is Level.WARN


def test_refused_credentials_fail_with_the_origins_word_and_its_hint() -> None:
    finding = listing(Target("oss://b/", "", "", _denied), Deadline.after(60))
    assert finding.level is Level.FAIL
    assert finding.message == "oss://b: AccessDenied (origin_denied)"
    assert finding.remedy == OriginDenied.default_hint


def test_an_error_without_a_hint_still_has_a_remedy() -> None:
    assert listing(Target("oss://b/", "", "", _skewed), Deadline.after(60)).remedy


def test_a_rule_without_a_bucket_is_not_tried() -> None:
    assert listing(Target("oss://", None, "", _denied), Deadline.after(60)).level is Level.OK


@pytest.mark.parametrize(
    ("skew_seconds", "level", "words"),
    [
        (0, Level.OK, "agrees"),
        (ODD_SKEW_SECONDS, Level.WARN, "30 s ahead"),
        (-ODD_SKEW_SECONDS, Level.WARN, "30 s behind"),
        (FATAL_SKEW_SECONDS, Level.FAIL, "15 min ahead: signatures are refused"),
    ],
)
def test_a_clock_is_compared_with_the_servers(skew_seconds: int, level: Level, words: str) -> None:
    finding = clock("http://e", formatdate(NOW - skew_seconds, usegmt=True), NOW)
    assert finding.level is level
    assert words in finding.message


def test_a_silent_endpoint_is_a_warning() -> None:
    assert clock("http://e", None, NOW).level is Level.WARN


def test_an_endpoint_nobody_listens_at_is_asked_and_is_a_warning() -> None:
    target = Target("oss://", None, "http://127.0.0.1:1", _denied)
    findings = list(probe([target, target]))
    assert [finding.name for finding in findings] == ["origin oss://"] * 2 + ["clock against http://127.0.0.1:1"]
    assert findings[-1].level is Level.WARN
