"""What is sent again, when, and for how long; and how long something is waited for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mows.api import models
from mows.client import calls, waiting
from mows.client.call import Reply
from mows.client.errors import (
    ClientError,
    DaemonTimeout,
    DaemonUnreachable,
    NotFound,
    Refused,
    Unavailable,
    WaitTimeout,
    WorkFailed,
)
from mows.client.exchange import HOLD_SECONDS, NO_RETRIES, Retries, exchange
from mows.mount_state import MountState
from tests.contract.fake_daemon import mount
from tests.unit.client.scripted import World, broke, never_sent, problem

HEALTH = Reply(200, "application/json", b'{"status": "ok", "node": "node-a", "version": "1.2.3"}')
STOPPING = problem(503, "daemon_stopping", retryable=True)


def reply(answer: models.Mount) -> Reply:
    return Reply(200, "application/json", answer.model_dump_json().encode())


@pytest.mark.parametrize("failure", [never_sent(), broke(), STOPPING])
def test_a_repeatable_call_is_sent_again(failure: Reply | ClientError) -> None:
    world = World([failure, failure, HEALTH])
    assert world.play(exchange(calls.health(), world.habits())).node == "node-a"
    assert world.pauses == [0.1, 0.2]


@pytest.mark.parametrize(("failure", "kind"), [(broke(), DaemonUnreachable), (STOPPING, Unavailable)])
def test_one_that_is_not_is_sent_once(failure: Reply | ClientError, kind: type[ClientError]) -> None:
    world = World([failure])
    with pytest.raises(kind):
        world.play(exchange(calls.start_prewarm({"sources": ["oss://b/m/"]}), world.habits()))
    assert (len(world.sent), world.pauses) == (1, [])


def test_but_again_when_it_never_left() -> None:
    world = World([never_sent(), problem(422, "invalid_request")])
    with pytest.raises(Refused):
        world.play(exchange(calls.start_prewarm({"sources": []}), world.habits()))
    assert len(world.sent) == 2


@pytest.mark.parametrize(
    "failure",
    [problem(409, "mount_conflict"), problem(500, "internal"), problem(502, "origin_denied"), DaemonTimeout("slow")],
)
def test_what_would_fail_again_is_raised_at_once(failure: Reply | ClientError) -> None:
    world = World([failure])
    with pytest.raises(ClientError):
        world.play(exchange(calls.health(), world.habits()))
    assert len(world.sent) == 1


def test_it_gives_up_after_the_time_given_and_raises_the_last_failure() -> None:
    world = World([never_sent(), STOPPING])
    with pytest.raises(Unavailable, match="daemon_stopping"):
        world.play(exchange(calls.health(), world.habits(Retries(total_seconds=5.0))))
    assert 3.0 < sum(world.pauses) <= 5.0


def test_the_time_counts_from_the_first_failure_and_not_while_an_answer_is_awaited() -> None:
    world = World([broke(), HEALTH], answer_seconds=100.0)
    assert world.play(exchange(calls.health(), world.habits())).node == "node-a"


def test_without_retries_the_first_failure_is_the_last() -> None:
    world = World([never_sent()])
    with pytest.raises(DaemonUnreachable):
        world.play(exchange(calls.health(), world.habits(NO_RETRIES)))
    assert world.pauses == []


def test_a_delete_whose_answer_was_lost_has_done_its_work() -> None:
    world = World([broke(), problem(404, "prewarm_not_found")])
    world.play(exchange(calls.cancel_prewarm("p"), world.habits()))
    assert len(world.sent) == 2
    world = World([problem(404, "prewarm_not_found")])
    with pytest.raises(NotFound):
        world.play(exchange(calls.cancel_prewarm("p"), world.habits()))


def test_a_probe_is_answered_with_what_is_so_now() -> None:
    world = World([problem(503, "not_ready", retryable=True)])
    with pytest.raises(Unavailable):
        world.play(exchange(calls.readiness(), world.habits()))
    assert len(world.sent) == 1


@given(attempt=st.integers(0, 10_000), chance=st.floats(0, 1))
def test_pauses_are_within_their_bounds(attempt: int, chance: float) -> None:
    retries = Retries()
    assert retries.first_pause_seconds / 2 <= retries.pause_seconds(attempt, chance) <= retries.longest_pause_seconds


class TestWaiting:
    def test_a_mount_that_can_be_read(self) -> None:
        world = World([reply(mount(MountState.MOUNTING)), broke(), reply(mount(MountState.MOUNTED))])
        found = world.play(waiting.wait_mount(world.habits(), "qwen3"))
        assert found.state is MountState.MOUNTED
        assert {call.params["wait"] for call in world.sent} == {HOLD_SECONDS}

    def test_one_that_failed(self) -> None:
        error = models.WorkFailure(code="origin_denied", message="AccessDenied", hint="check the keys", retryable=True)
        world = World([reply(mount(MountState.FAILED, error=error))])
        with pytest.raises(WorkFailed, match="mount qwen3 is failed: AccessDenied") as raised:
            world.play(waiting.wait_mount(world.habits(), "qwen3"))
        assert (raised.value.code, raised.value.hint, raised.value.retryable) == (
            "origin_denied",
            "check the keys",
            True,
        )

    def test_a_refresh_that_failed_does_not_matter_to_who_wants_to_read(self) -> None:
        error = models.WorkFailure(code="origin_denied", message="AccessDenied", hint="")
        world = World([reply(mount(MountState.MOUNTED, error=error))])
        assert world.play(waiting.wait_mount(world.habits(), "qwen3")).error == error

    def test_the_time_runs_out(self) -> None:
        world = World([reply(mount(MountState.MOUNTING))], answer_seconds=4.0)
        with pytest.raises(WaitTimeout, match="not ready within 10 s"):
            world.play(waiting.wait_mount(world.habits(), "qwen3", timeout_seconds=10.0))
        assert [call.params.get("wait", 0.0) for call in world.sent] == pytest.approx([10.0, 5.8, 1.6, 0.0])
