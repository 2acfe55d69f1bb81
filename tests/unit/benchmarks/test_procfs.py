"""What /proc says."""

from __future__ import annotations

import os

from benchmarks.node.procfs import Memory, cpu_seconds, memory, parse_cpu_ticks, parse_memory

STATUS = "Name:\tmows\nVmRSS:\t  300 kB\nRssAnon:\t  100 kB\nRssFile:\t   50 kB\nRssShmem:\t  150 kB\nThreads:\t4\n"


def test_memory_is_read_in_bytes() -> None:
    assert parse_memory(STATUS) == Memory(300 * 1024, 100 * 1024, 150 * 1024)


def test_the_memory_tier_does_not_count() -> None:
    assert parse_memory(STATUS).beyond_memory_tier == 150 * 1024


def test_cpu_time_is_user_and_system_whatever_the_name_is() -> None:
    fields = ["S", *map(str, range(1, 50))]
    assert parse_cpu_ticks(f"12 (a) name) {' '.join(fields)}") == 11 + 12


def test_this_process_has_memory_and_uses_time() -> None:
    assert memory(os.getpid()).resident >= memory(os.getpid()).anonymous > 0
    assert cpu_seconds(os.getpid()) > 0
