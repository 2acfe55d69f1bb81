"""The book of operations: what stands in it, and until when."""

from __future__ import annotations

import threading

import pytest

from cachefs.operations import Operation, Operations


def test_an_operation_stands_there_while_it_lasts() -> None:
    book = Operations()
    with book.watched("list", 5.0, source="oss://b/"):
        (found,) = book.running()
    assert (found.name, dict(found.details), found.thread_id) == ("list", {"source": "oss://b/"}, threading.get_ident())
    assert found.deadline_at == pytest.approx(found.began_at + 5.0)
    assert book.running() == []


def test_one_that_fails_is_gone_too() -> None:
    book = Operations()
    with pytest.raises(ZeroDivisionError), book.watched("list", 5.0):
        raise ZeroDivisionError
    assert book.running() == []


def test_what_waits_on_the_loop_has_no_thread_and_may_have_no_deadline() -> None:
    book = Operations()
    with book.awaited("prewarm", None):
        (found,) = book.running()
    assert (found.thread_id, found.overdue_seconds(found.began_at + 1e9)) == (None, float("-inf"))


def test_the_context_is_part_of_the_details_and_the_nearest_word_wins() -> None:
    book = Operations(lambda: {"mount": "m", "path": "/models"})
    with book.watched("read", 1.0, path="oss://b/k"):
        assert dict(book.running()[0].details) == {"mount": "m", "path": "oss://b/k"}


def test_others_report_theirs_and_the_oldest_comes_first() -> None:
    book = Operations()
    book.include(lambda: [Operation(-1, "read", 0.0, 60.0, {})])
    with book.watched("list", 1.0):
        assert [one.name for one in book.running()] == ["read", "list"]


def test_numbers_are_never_used_twice() -> None:
    book, seen = Operations(), set()
    for _ in range(3):
        with book.watched("list", 1.0):
            seen.add(book.running()[0].number)
    assert len(seen) == 3
