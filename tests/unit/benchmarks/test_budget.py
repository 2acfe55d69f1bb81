"""Control groups of both versions, on files of our own; and the work of the benchmark."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.budget.cgroup import NoMemoryGroup, Version1, Version2, memory_group
from benchmarks.budget.load import count_files, digests_of, read_all, write_names
from benchmarks.model import write_files


def test_version_2_speaks_of_its_own_files(tmp_path: Path) -> None:
    group = Version2(tmp_path)
    (tmp_path / "memory.stat").write_text("anon 7\nfile 9\n")
    (tmp_path / "memory.events").write_text("oom 2\noom_kill 1\n")
    (tmp_path / "memory.peak").write_text("99\n")
    (tmp_path / "memory.swap.max").write_text("max")
    group.limit(1000)
    assert (group.anonymous_bytes(), group.oom_kills(), group.peak_bytes()) == (7, 1, 99)
    assert ((tmp_path / "memory.max").read_text(), (tmp_path / "memory.swap.max").read_text()) == ("1000", "0")


def test_version_1_too(tmp_path: Path) -> None:
    group = Version1(tmp_path)
    (tmp_path / "memory.stat").write_text("cache 1\nrss 8\n")
    (tmp_path / "memory.oom_control").write_text("oom_kill_disable 0\noom_kill 3\n")
    (tmp_path / "memory.max_usage_in_bytes").write_text("98\n")
    group.limit(1000)
    assert (group.anonymous_bytes(), group.oom_kills(), group.peak_bytes()) == (8, 3, 98)
    assert (tmp_path / "memory.limit_in_bytes").read_text() == "1000"


def test_the_prefix_puts_a_command_into_the_group(tmp_path: Path) -> None:
    assert Version2(tmp_path).prefix == ("sh", "-c", f'echo $$ > "{tmp_path}/cgroup.procs" && exec "$@"', "sh")


def test_a_machine_without_control_groups_is_said_to_be_one(tmp_path: Path) -> None:
    with pytest.raises(NoMemoryGroup, match="neither control groups of version 2"), memory_group(1, tmp_path):
        pass


def test_a_wrong_byte_and_a_missing_file_are_found(tmp_path: Path) -> None:
    digests = digests_of(write_files(tmp_path / "m", 3, 1000))
    assert read_all(tmp_path / "m", digests, 2) == []
    first, second, _ = sorted(digests)
    (tmp_path / "m" / first).write_bytes(b"other")
    (tmp_path / "m" / second).unlink()
    wrong = read_all(tmp_path / "m", digests, 1)
    assert sorted(wrong) == [
        f"reader 0: {first}: wrong bytes",
        f"reader 0: {second}: cannot be read: No such file or directory",
    ]


def test_many_names_are_as_many_files(tmp_path: Path) -> None:
    write_names(tmp_path, 1500)
    assert (count_files(tmp_path), len(list(tmp_path.iterdir()))) == (1500, 2)
