"""What is left behind is found, and a secret in a log is told without being repeated."""

from __future__ import annotations

import json
import os
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.chaos.events import Kind, Schedule
from benchmarks.chaos.hygiene import TRACEBACK, found_in_output, left_behind
from benchmarks.chaos.judging import judge
from benchmarks.chaos.procfs import MARK, Holdings, holdings, kind_of
from benchmarks.chaos.reader import Summary, Trouble
from benchmarks.chaos.result import Result
from benchmarks.chaos.settings import MOST_STALL_SECONDS

TROUBLE = Trouble(
    kind="wrong", what="zeros", reader="read-1", node=1, call="read", name="a", version=None, offset=7,
    opened=5.0, began=10.0, ended=12.0,
)  # fmt: skip
SCHEDULE = Schedule(seed=9, seconds=1, redis=False, liar=None, events=[])


def test_secrets_and_tracebacks_are_found_by_line(tmp_path: Path) -> None:
    (tmp_path / "node").mkdir()
    (tmp_path / "node" / "daemon.log").write_text(f"fine\nkey=a/b+c\nkey=a%2Fb%2Bc\n{TRACEBACK}\n")
    (tmp_path / "keys.json").write_text("a/b+c")
    (tmp_path / "node" / "answers.json").write_text('{"key": "a/b+c"}')
    (tmp_path / "read-0.troubles").write_text("a/b+c")
    found = found_in_output(tmp_path, ["a/b+c"])
    assert found == [
        "node/answers.json:1: a secret",
        "node/daemon.log:2: a secret",
        "node/daemon.log:3: a secret",
        "node/daemon.log:4: a traceback",
        "read-0.troubles:1: a secret",
    ]


def test_a_process_that_is_left_is_found_by_its_mark(tmp_path: Path) -> None:
    mark, pipe = tmp_path.name, subprocess.PIPE
    with subprocess.Popen(["cat"], stdin=pipe, stdout=pipe, bufsize=0, env={**os.environ, MARK: mark}) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"begun")  # its environment is there some time after Popen returns
        assert process.stdout.read(5) == b"begun"
        found = left_behind([tmp_path], mark, os.getpid())
    assert found == [f"process {process.pid}: cat "]
    assert left_behind([tmp_path], mark, os.getpid()) == []


def test_what_we_hold_is_counted_by_kind(tmp_path: Path) -> None:
    before = holdings(os.getpid())
    with open(tmp_path / "file", "w"):
        assert holdings(os.getpid()).beyond(before, sockets=0, threads=0) == ["1 more descriptors: file"]


def test_some_sockets_and_threads_may_be_more() -> None:
    before = Holdings(Counter(file=3, socket=1), threads=4)
    after = Holdings(Counter(file=3, socket=4), threads=6)
    assert after.beyond(before, sockets=3, threads=2) == []
    assert after.beyond(before, sockets=2, threads=1) == ["1 more descriptors: socket", "2 more threads"]


@pytest.mark.parametrize(
    ("link", "kind"),
    [("socket:[1]", "socket"), ("pipe:[1]", "pipe"), ("anon_inode:[eventfd]", "anon"), ("/dev/fuse", "/dev/fuse"),
     ("/a/data", "file")],
)  # fmt: skip
def test_kinds_of_descriptors(link: str, kind: str) -> None:
    assert kind_of(link) == kind


def result(*, troubles: tuple[Trouble, ...] = (), failures: tuple[str, ...] = (), stall: float = 1.0) -> Result:
    return Result(
        schedule=SCHEDULE, seconds=1.0, happened={Kind.EVICT: 2}, fired={"clock jump": 1},
        readers={"read-1": Summary(reads=3, bytes=4 << 20, longest_seconds=stall)}, verdict=judge(troubles, []),
        restarts=1, failures=failures,
    )  # fmt: skip


def test_a_good_run_says_so() -> None:
    assert result().good
    assert json.loads(result().as_json())["good"] is True
    assert (
        "seed 9: 0 wrong, 0 errors without excuse, 0 excused, 1 restarts, longest stall 0.0 s, 0 failures: good"
        in result().as_text(0)
    )


@pytest.mark.parametrize(
    "bad", [result(troubles=(TROUBLE,)), result(failures=("leak",)), result(stall=MOST_STALL_SECONDS + 1)]
)
def test_anything_wrong_fails_the_run(bad: Result) -> None:
    assert not bad.good
    assert json.loads(bad.as_json())["good"] is False
    assert "FAILED" in bad.as_text(0)


def test_a_trouble_is_told_with_reader_object_and_place() -> None:
    text = result(troubles=(TROUBLE,)).as_text(began=2.0)
    assert "WRONG: 10.00 s read-1 read a version ? at 7: zeros, after 2.00 s" in text
