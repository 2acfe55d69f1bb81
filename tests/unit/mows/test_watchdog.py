"""SEMANTICS S26. The watchdog looks a second time: what it reports, once, and what it leaves alone."""

from __future__ import annotations

import asyncio
import logging
import threading

import pytest

from cachefs.operations import Operation
from mows import watchdog
from mows.watchdog import INTERVAL_SECONDS, LATE_SECONDS, STALL_SECONDS, Pulse, Watchdog, felt, overdue, stack_of_thread

NOW = 1000.0
LATE_LOOK = INTERVAL_SECONDS + LATE_SECONDS + 0.1


def operation(number: int = 1, *, left: float | None = -5.0, thread_id: int | None = None) -> Operation:
    deadline_at = None if left is None else NOW + left
    details = {"mount": "m", "path": "/models/m", "source": "oss://b/k"}
    return Operation(number, "origin.read", NOW - 35.0, deadline_at, details, thread_id)


class TestOverdue:
    def test_only_what_outlived_its_deadline_and_the_grace(self) -> None:
        running = [operation(1), operation(2, left=5.0), operation(3, left=-0.5), operation(4, left=None)]
        assert [one.number for one in overdue(running, frozenset(), NOW)] == [1]

    def test_what_was_reported_is_not_reported_again(self) -> None:
        assert overdue([operation(1), operation(2)], frozenset({1}), NOW) == [operation(2)]


class TestPulse:
    def test_a_silence_of_two_seconds_is_reported_once(self) -> None:
        pulse, reports = Pulse(), []
        for _ in range(5):
            pulse, report = felt(pulse, INTERVAL_SECONDS)
            reports.append((pulse.silent_seconds >= STALL_SECONDS, report))
        assert reports == [(False, False), (True, True), (True, False), (True, False), (True, False)]

    def test_a_watchdog_that_was_woken_late_itself_judges_nobody(self) -> None:
        assert felt(Pulse(), LATE_LOOK) == (Pulse(), False)


class TestLook:
    async def test_a_report_is_one_line_with_everything(self, caplog: pytest.LogCaptureFixture) -> None:
        running = [operation(thread_id=threading.get_ident())]
        dog = Watchdog(lambda: running)
        dog.look(NOW, INTERVAL_SECONDS)
        dog.look(NOW + 1, INTERVAL_SECONDS)
        (record,) = caplog.records
        assert record.levelno == logging.WARNING
        assert record.getMessage() == "origin.read outlived its deadline by 5.0 s"
        fields = record.__dict__["mows_fields"]
        assert {
            "operation": "origin.read",
            "mount": "m",
            "path": "/models/m",
            "seconds": 35.0,
        }.items() <= fields.items()
        assert "test_a_report_is_one_line_with_everything" in fields["stack"]

    async def test_the_same_number_begun_anew_is_reported_anew(self, caplog: pytest.LogCaptureFixture) -> None:
        running = [operation()]
        dog = Watchdog(lambda: list(running))
        dog.look(NOW, INTERVAL_SECONDS)
        running.clear()
        await asyncio.sleep(0)
        dog.look(NOW, INTERVAL_SECONDS)
        running.append(operation())
        dog.look(NOW, INTERVAL_SECONDS)
        assert len(caplog.records) == 2

    async def test_a_loop_that_does_not_turn_is_reported_with_its_stack(self, caplog: pytest.LogCaptureFixture) -> None:
        dog = Watchdog(list)
        for _ in range(3):
            dog.look(NOW, INTERVAL_SECONDS)  # this test is the loop: it does not turn meanwhile
        (record,) = caplog.records
        assert record.getMessage() == "the event loop has not turned for 2.0 s"
        assert "test_a_loop_that_does_not_turn" in record.__dict__["mows_fields"]["stack"]

    async def test_a_loop_that_turns_is_not(self, caplog: pytest.LogCaptureFixture) -> None:
        dog = Watchdog(list)
        for _ in range(10):
            dog.look(NOW, INTERVAL_SECONDS)
            await asyncio.sleep(0)
        assert caplog.records == []


async def test_the_thread_looks_by_itself_and_ends_with_its_block(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(watchdog, "INTERVAL_SECONDS", 0.01)
    looked = threading.Event()

    def running() -> list[Operation]:
        looked.set()
        return []

    with Watchdog(running):
        assert await asyncio.to_thread(looked.wait, 60)
        assert "mows-watchdog" in {thread.name for thread in threading.enumerate()}
    assert "mows-watchdog" not in {thread.name for thread in threading.enumerate()}


def test_the_stack_of_a_thread_that_is_gone_is_empty() -> None:
    thread = threading.Thread(target=lambda: None)
    thread.start()
    thread.join()
    assert stack_of_thread(thread.ident) == []
