"""What went wrong lately: bounded, counted, without secrets."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from cachefs.errors import OriginDenied
from mows import logs
from mows.recent_failures import MESSAGE_CHARACTERS, MOST_FAILURES, RecentFailures, recent_failures
from mows.redaction import Redactor

pytestmark = pytest.mark.expects_warnings

log = logging.getLogger("mows.test")


@pytest.fixture
def recent() -> Iterator[RecentFailures]:
    with recent_failures(Redactor(["the-secret"])) as handler:
        yield handler


def test_a_failure_has_code_hint_and_mount(recent: RecentFailures) -> None:
    with logs.bound(mount="m"):
        logs.failure(log, "warm", OriginDenied("oss://b/k: 403", hint="check the keys"))
    (row,) = recent.rows()
    assert (row.level, row.code, row.hint, row.mount) == ("WARNING", "origin_denied", "check the keys", "m")
    assert row.message == "warm failed: oss://b/k: 403"


def test_the_latest_comes_first_and_the_oldest_go(recent: RecentFailures) -> None:
    for number in range(MOST_FAILURES + 3):
        log.warning("number %d", number)
    rows = recent.rows()
    assert len(rows) == MOST_FAILURES
    assert (rows[0].message, rows[-1].message) == (f"number {MOST_FAILURES + 2}", "number 3")
    assert (rows[0].code, rows[0].hint, rows[0].mount) == (None, None, None)


def test_equal_ones_in_a_row_are_one_with_a_count(recent: RecentFailures) -> None:
    for message in ("a", "a", "a", "b", "a"):
        log.error(message)
    assert [(row.message, row.count) for row in recent.rows()] == [("a", 1), ("b", 1), ("a", 3)]


def test_what_is_no_failure_is_not_kept(recent: RecentFailures) -> None:
    log.info("all is well")
    assert recent.rows() == []


def test_secrets_are_masked_and_length_is_bounded(recent: RecentFailures) -> None:
    logs.failure(log, "warm", OriginDenied("the-secret was refused", hint="not the-secret"))
    log.warning("x" * 10_000)
    long, masked = recent.rows()
    assert "the-secret" not in f"{masked.message} {masked.hint}"
    assert len(long.message) == MESSAGE_CHARACTERS


def test_nothing_is_kept_afterwards() -> None:
    with recent_failures(Redactor()) as handler:
        pass
    log.warning("too late")
    assert handler.rows() == []
