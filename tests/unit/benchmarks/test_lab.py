"""What the lab tells the kernel, and what it makes of names and rates."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from benchmarks.lab.__main__ import parse
from benchmarks.lab.check import LEAST_RATIO, Measured
from benchmarks.lab.cutting import drop_to, severed
from benchmarks.lab.leftovers import owner, prefix_of
from benchmarks.lab.network import Lab, LabSettings
from benchmarks.lab.rates import format_rate, parse_rate
from benchmarks.lab.shaping import burst_bytes, per_client, queue_bytes, token_bucket
from benchmarks.node.scratch import scratch


@pytest.mark.parametrize(("text", "rate"), [("200Mbit", 200_000_000), ("1Gbit", 10**9), ("0.5 Mbit", 500_000)])
def test_rates_are_read_and_written(text: str, rate: int) -> None:
    assert parse_rate(text) == rate
    assert parse_rate(format_rate(rate)) == rate


@pytest.mark.parametrize("text", ["200", "200MB", "Mbit", "0Mbit", "-1Mbit", ""])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a rate"):
        parse_rate(text)


@pytest.mark.parametrize("rate", [10**6, 200_000_000, 10**10])
def test_a_burst_holds_the_segments_tcp_makes_and_the_queue_more_than_a_burst(rate: int) -> None:
    assert burst_bytes(rate) > 2 * 65536
    assert queue_bytes(rate) > burst_bytes(rate)
    assert token_bucket(rate) == f"tbf rate {rate}bit burst {burst_bytes(rate)} limit {_limit(rate)}"


def _limit(rate: int) -> int:
    return burst_bytes(rate) + queue_bytes(rate)


def test_each_client_has_a_class_of_its_own_below_the_total() -> None:
    lines = per_client("eth0", ["10.0.0.1", "10.0.0.2"], 50_000_000, 200_000_000)
    classes = [line.split() for line in lines if line.startswith("class")]
    rates = {words[words.index("classid") + 1]: words[words.index("rate") + 1] for words in classes}
    assert rates == {"1:1": "200000000bit", "1:10": "50000000bit", "1:11": "50000000bit"}
    assert [line.split()[-3::2] for line in lines if "dst" in line] == [
        ["10.0.0.1/32", "1:10"],
        ["10.0.0.2/32", "1:11"],
    ]


def run_program(text: str, destination: str) -> int:
    """A BPF machine that knows what our programs use."""
    count, *steps = text.split(",")
    program = [tuple(map(int, step.split())) for step in steps]
    assert len(program) == int(count)
    at, loaded = 0, -1
    while True:
        code, true, false, operand = program[at]
        if code == 0x06:
            return operand
        if code == 0x20:
            assert operand == 30
            loaded = int.from_bytes(bytes(map(int, destination.split("."))), "big")
            true = false = 0
        at += 1 + (true if loaded == operand else false)


@pytest.mark.parametrize("lost", [[], ["10.99.1.1"], ["10.99.1.1", "10.99.1.2", "10.99.1.9"]])
def test_a_cut_loses_exactly_what_goes_to_the_other_side(lost: list[str]) -> None:
    program = drop_to(lost)
    for address in ("10.99.0.1", "10.99.1.1", "10.99.1.2", "10.99.1.3", "10.99.1.9"):
        assert (run_program(program, address) == 2) == (address in lost)


def test_groups_lose_each_other_and_nobody_else() -> None:
    assert dict(severed([{0, 1}, {2}, [3]])) == {0: [2, 3], 1: [2, 3], 2: [0, 1, 3], 3: [0, 1, 2]}


def test_names_say_whose_they_are() -> None:
    assert owner(f"{prefix_of(123)}ab12-node-0") == 123
    assert owner("mows-demo-xyz") is None
    assert owner("mows-lab-x-1") is None


def test_scratch_directories_are_named_alike() -> None:
    with scratch(1, prefix=prefix_of(os.getpid())) as path:
        assert owner(path.name) == os.getpid()
        assert path.parent in (Path("/dev/shm"), Path(tempfile.gettempdir()))


def test_hosts_have_names_and_addresses_of_their_own() -> None:
    lab = Lab(LabSettings(nodes=250, link_bits_per_second=1))
    assert len({place.address for place in lab.places}) == 252
    assert len({place.namespace for place in lab.places}) == 252
    assert max(len(place.name) for place in lab.places) <= 15, "the kernel's limit for interfaces"


@pytest.mark.parametrize("nodes", [0, 251])
def test_a_lab_of_an_impossible_size_is_refused(nodes: int) -> None:
    with pytest.raises(ValueError, match=str(nodes)):
        LabSettings(nodes=nodes, link_bits_per_second=1)


def test_a_link_that_carries_too_little_is_said_so() -> None:
    assert Measured("one flow", 1, LEAST_RATIO).enough
    assert not Measured("one flow", 1, LEAST_RATIO - 0.01).enough


def test_the_command_line() -> None:
    options = parse(["up", "--nodes", "2", "--link", "1Gbit", "--origin-per-client", "50Mbit"])
    assert (options.nodes, options.link, options.origin, options.origin_per_client) == (2, 10**9, None, 50_000_000)
    assert parse(["check"]).rate == [50_000_000, 200_000_000, 10**9]
