"""Every error has an errno and a verdict; the log line names what a person needs."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from cachefs import errors
from cachefs.errors import CacheError, NoSpace, TierUnavailable
from cachefs.fetch.failures import Notices, Verdict, judge, log_failed_read


def all_errors(base: type[CacheError] = CacheError) -> Iterator[type[CacheError]]:
    yield base
    for kind in base.__subclasses__():
        yield from all_errors(kind)


def library_errors() -> list[type[CacheError]]:
    return [kind for kind in all_errors() if kind.__module__ == errors.__name__]


def test_what_is_not_known_is_fatal() -> None:
    assert judge(ZeroDivisionError()) is Verdict.FATAL


@pytest.mark.parametrize("kind", library_errors())
def test_retried_is_exactly_what_says_that_it_may_be(kind: type[CacheError]) -> None:
    retried = judge(kind("x")) in (Verdict.RETRY, Verdict.THROTTLED, Verdict.ELSEWHERE)
    assert retried == kind.retryable


def test_faults_of_the_store_are_misses_and_a_wrong_checksum_is_not() -> None:
    assert judge(NoSpace("x")) is judge(TierUnavailable("x")) is Verdict.STORE
    assert judge(errors.CorruptBlob("x")) is Verdict.CORRUPT


def test_one_line_names_uri_offset_reason_and_duration(caplog: pytest.LogCaptureFixture) -> None:
    log_failed_read("oss://b/k", 4096, errors.ObjectChanged("gone"), 1.25, mount="m")
    (record,) = caplog.records
    line = record.getMessage()
    for part in (
        "read failed mount=m uri=oss://b/k",
        "offset=4096",
        "waited_seconds=1.2",
        "code=object_changed",
        "gone",
        "next refresh",
    ):
        assert part in line


def test_an_unknown_error_is_logged_as_internal(caplog: pytest.LogCaptureFixture) -> None:
    log_failed_read("oss://b/k", 0, OSError("bad disk"), 0.0)
    assert "code=internal" in caplog.text
    assert "bad disk" in caplog.text


def test_a_refusing_store_is_news_once_a_minute_and_per_cause(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    now = 100.0
    notices = Notices(lambda: now)
    for _ in range(3):
        notices.store_refused("oss://b/1", NoSpace("full"))
    notices.store_refused("oss://b/2", TierUnavailable("gone"))
    assert len(caplog.records) == 2
    now = 160.0
    notices.store_refused("oss://b/1", NoSpace("full"))
    assert len(caplog.records) == 3
