"""Interrupts at the worst moments: in the middle of entering, in the middle of giving back."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from benchmarks.node.errors import NodeError
from benchmarks.node.resources import INTERRUPTED_EXIT_CODE, Resources, run_owning


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def nothing() -> None:
    pass


@contextmanager
def resource(
    log: list[str], *, entering: Callable[[], None] = nothing, leaving: Callable[[], None] = nothing
) -> Iterator[str]:
    entering()
    log.append("entered")
    try:
        yield "it"
    finally:
        leaving()
        log.append("left")


def test_what_was_entered_is_left_in_reverse_order() -> None:
    order: list[int] = []

    def work(resources: Resources) -> int:
        for number in range(3):
            resources.enter(marking(order, number))
        return 7

    assert run_owning(work) == 7
    assert order == [2, 1, 0]


@contextmanager
def marking(order: list[int], number: int) -> Iterator[None]:
    yield
    order.append(number)


def test_enter_answers_what_the_context_manager_answers() -> None:
    log: list[str] = []
    assert run_owning(lambda resources: len(resources.enter(resource(log)))) == 2


def test_an_interrupt_ends_the_work_and_gives_everything_back() -> None:
    log: list[str] = []

    def work(resources: Resources) -> int:
        resources.enter(resource(log))
        interrupt()
        log.append("went on")
        return 0

    assert run_owning(work) == INTERRUPTED_EXIT_CODE
    assert log == ["entered", "left"]


def test_an_interrupt_while_entering_waits_until_the_resource_is_owned() -> None:
    log: list[str] = []

    def work(resources: Resources) -> int:
        resources.enter(resource(log, entering=interrupt))
        log.append("went on")
        return 0

    assert run_owning(work) == INTERRUPTED_EXIT_CODE
    assert log == ["entered", "left"]


class Interrupting:
    """Its finalizer is interrupted: Python prints what is raised there, and goes on."""

    def __del__(self) -> None:
        interrupt()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_that_a_finalizer_lost_is_raised_by_the_next_enter() -> None:
    log: list[str] = []

    def work(resources: Resources) -> int:
        Interrupting()
        log.append("went on")
        resources.enter(resource(log))
        log.append("and on")
        return 0

    assert run_owning(work) == INTERRUPTED_EXIT_CODE
    assert log == ["went on", "entered", "left"]


def test_further_interrupts_do_not_cut_the_cleaning_up_short() -> None:
    log: list[str] = []

    def work(resources: Resources) -> int:
        resources.enter(resource(log, leaving=interrupt))
        resources.enter(resource(log, leaving=interrupt))
        interrupt()
        return 0

    assert run_owning(work) == INTERRUPTED_EXIT_CODE
    assert log == ["entered", "entered", "left", "left"]


def test_an_interrupt_after_the_work_is_done_changes_nothing() -> None:
    log: list[str] = []

    def work(resources: Resources) -> int:
        resources.enter(resource(log, leaving=interrupt))
        return 0

    assert run_owning(work) == 0
    assert log == ["entered", "left"]


def test_sigterm_counts_as_an_interrupt() -> None:
    def work(_: Resources) -> int:
        os.kill(os.getpid(), signal.SIGTERM)
        return 0

    assert run_owning(work) == INTERRUPTED_EXIT_CODE


def test_an_error_gives_everything_back_and_goes_on() -> None:
    log: list[str] = []

    def work(resources: Resources) -> int:
        resources.enter(resource(log))
        raise LookupError("no")

    with pytest.raises(LookupError):
        run_owning(work)
    assert log == ["entered", "left"]


def test_an_error_of_the_surroundings_is_a_message_and_a_status(capsys: pytest.CaptureFixture[str]) -> None:
    log: list[str] = []

    def work(resources: Resources) -> int:
        resources.enter(resource(log))
        raise NodeError("the disk is on fire: use another one")

    assert run_owning(work) == 1
    assert log == ["entered", "left"]
    assert capsys.readouterr().err == "NodeError: the disk is on fire: use another one\n"


def test_the_handlers_of_before_are_back_afterwards() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    assert run_owning(lambda _: 0) == 0
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
