"""When a tier counts as in trouble, and when as well again."""

from __future__ import annotations

import errno

import pytest

from cachefs.store.health import QUIET_SECONDS, Finding, Health

WELL = Finding()


def test_one_fault_is_enough() -> None:
    health = Health().faulted("cannot write", errno.EIO, 10.0)
    assert (health.trouble, health.since, health.gone) == ("cannot write", 10.0, False)


@pytest.mark.parametrize("number", [errno.ENOENT, errno.EEXIST, errno.EBADF])
def test_what_is_about_one_file_says_nothing_of_the_tier(number: int) -> None:
    assert Health().faulted("cannot open", number, 10.0) == Health()


def test_it_is_well_again_only_after_some_quiet() -> None:
    health = Health().faulted("cannot write", errno.EIO, 10.0).faulted("cannot write", errno.EIO, 12.0)
    assert health.found(WELL, 12.0 + QUIET_SECONDS - 0.1) == health
    assert health.since == 10.0
    assert health.found(WELL, 12.0 + QUIET_SECONDS) == Health()


def test_nor_is_it_between_two_looks_that_find_it_full() -> None:
    full = Health().found(Finding("full"), 10.0).found(WELL, 11.0).found(Finding("full"), 12.0)
    assert (full.trouble, full.since) == ("full", 10.0)
    assert full.found(WELL, 12.0 + QUIET_SECONDS - 0.1) == full
    assert full.found(WELL, 12.0 + QUIET_SECONDS) == Health()


def test_another_directory_begins_anew() -> None:
    gone = Health().faulted("cannot write", errno.EIO, 10.0).found(Finding("vanished", gone=True), 10.1)
    assert (gone.trouble, gone.gone, gone.since) == ("vanished", True, 10.0)
    assert gone.found(WELL, 10.2) == Health()
