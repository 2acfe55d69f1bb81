"""Which fault meets which request, and how often."""

from benchmarks.ossserver.faults import NO_EFFECT, Faults


def codes(faults: Faults, operations: list[str]) -> list[str]:
    errors = [faults.effect(operation, "k").error for operation in operations]
    return [error.code if error else "" for error in errors]


def test_nothing_by_default() -> None:
    assert Faults().effect("GetObject", "k") == NO_EFFECT


def test_a_count_runs_out() -> None:
    faults = Faults()
    faults.throttle(2)
    assert codes(faults, ["GetObject"] * 3) == ["DownloadTrafficRateLimitExceeded"] * 2 + [""]


def test_other_operations_and_keys_are_left_alone() -> None:
    faults = Faults()
    faults.fail(operation="HeadObject", key="shard-*")
    assert faults.effect("GetObject", "shard-1").error is None
    assert faults.effect("HeadObject", "config").error is None
    error = faults.effect("HeadObject", "shard-1").error
    assert error is not None
    assert (error.status, error.code) == (403, "AccessDenied")


def test_rules_add_up_and_the_first_wins() -> None:
    faults = Faults()
    faults.latency(0.5)
    faults.reset_body(10)
    faults.latency(9.0)
    effect = faults.effect("GetObject", "k")
    assert (effect.delay_seconds, effect.reset_after_bytes) == (0.5, 10)
    assert faults.effect("GetObject", "k").reset_after_bytes is None


def test_a_request_rate() -> None:
    now = [0.0]
    faults = Faults(lambda: now[0])
    faults.limit_request_rate(1.0)
    assert codes(faults, ["GetObject"] * 2) == ["", "TotalQpsLimitExceeded"]
    now[0] = 1.0
    assert codes(faults, ["GetObject"]) == [""]
    faults.limit_request_rate(None)
    assert codes(faults, ["GetObject"] * 3) == [""] * 3


def test_clear_clears_everything() -> None:
    faults = Faults()
    faults.throttle()
    faults.flip_byte(3, count=None)
    faults.limit_request_rate(0.001)
    faults.limit_bandwidth(total_bytes_per_second=1.0)
    faults.offset_clock(100.0)
    faults.clear()
    assert [faults.effect("GetObject", "k") for _ in range(3)] == [NO_EFFECT] * 3
    assert faults.bandwidth.piece_bytes is None
    assert faults.clock_offset_seconds == 0.0
