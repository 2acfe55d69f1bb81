"""Every answer of the API is as the OpenAPI document says, whatever is asked: see `benchmarks.fuzz_api`."""

from __future__ import annotations

from benchmarks.fuzz_api.calls import call_all, outcome_of
from benchmarks.fuzz_api.world import CAPACITY_BYTES, build
from benchmarks.node.resources import Resources
from benchmarks.node.scratch import scratch


def test_schemathesis_finds_nothing() -> None:
    """All checks over all operations, the same calls each time. `python -m benchmarks.fuzz_api` makes more."""
    with scratch(2 * CAPACITY_BYTES, prefix="mows-fuzz-") as where, Resources() as resources:
        world = build(resources, where)
        outcome = call_all(world, where / "calls", seed=5, amount=("--max-examples", "3", "--no-shrink"))
        assert outcome.passed, outcome.output
        assert outcome.tested == outcome.operations > 0
        assert outcome.calls > 10 * outcome.operations
        assert "Traceback" not in world.daemon.log.read_text()


def test_a_run_that_could_not_begin_has_not_passed() -> None:
    assert not outcome_of({}, "no connection", passed=True).passed
