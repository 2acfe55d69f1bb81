"""How a call comes to its answer: attempts, and pauses between them. No I/O: both clients drive these generators.

A conversation yields what is to be done next, `Call` (send it, and give back the `Reply`) or `Pause` (let that time
pass), and returns the answer. What goes wrong on the way is thrown into it as a `ClientError`.

A request that fails is sent again when that cannot do harm: always when it never left, and where the call is repeatable
also when the connection broke or the daemon said 503. The pauses grow and are random, so that the callers of a daemon
that has restarted do not all come at the same moment.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from mows.client.call import Call, Reply
from mows.client.errors import ApiError, ClientError, DaemonUnreachable, NotFound, Unavailable, WaitTimeout

T = TypeVar("T")

POLL_SECONDS = 0.2
"""Between two questions whether something is ready; the daemon holds each answer back by itself."""
HOLD_SECONDS = 10.0
"""How long it is asked to: a daemon that is gone, or a proxy that drops silent connections, is noticed by then."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Let this time pass."""

    seconds: float


Conversation = Generator[Call[Any] | Pause, Reply | None, T]


@dataclass(frozen=True, slots=True)
class Retries:
    """How long a call may go on failing before its error is raised. The answer may take longer than that."""

    total_seconds: float = 30.0
    """A daemon is back within some seconds of its end; 0: never try again."""
    first_pause_seconds: float = 0.1
    longest_pause_seconds: float = 2.0

    def pause_seconds(self, attempt: int, chance: float) -> float:
        """Before trying again after the failure of `attempt`, the first being 0. `chance` is from 0 to 1."""
        longest = min(self.longest_pause_seconds, self.first_pause_seconds * 2.0 ** min(attempt, 16))
        return longest * (1 + chance) / 2


NO_RETRIES = Retries(total_seconds=0.0)


@dataclass(frozen=True, slots=True)
class Habits:
    """What all calls of one client have in common."""

    retries: Retries = field(default_factory=Retries)
    clock: Callable[[], float] = time.monotonic
    chance: Callable[[], float] = random.random


def may_repeat(call: Call[Any], error: ClientError) -> bool:
    """Whether sending `call` again after this can do no harm, and may help."""
    if isinstance(error, DaemonUnreachable) and not error.sent:
        return True
    return call.repeatable and (
        isinstance(error, DaemonUnreachable) or (isinstance(error, Unavailable) and error.retryable)
    )


def exchange(call: Call[T], habits: Habits) -> Conversation[T]:
    """The answer of one call. Raises the last failure when it goes on failing for `Retries.total_seconds`."""
    attempt, give_up, lost = 0, 0.0, False
    while True:
        try:
            return call.result(_reply((yield call)))
        except NotFound:
            if call.method == "DELETE" and lost:
                return call.read(Reply(204, "", b""))  # the attempt whose answer was lost has done it
            raise
        except ClientError as error:
            give_up = give_up if attempt else habits.clock() + habits.retries.total_seconds
            pause_seconds = habits.retries.pause_seconds(attempt, habits.chance())
            if not may_repeat(call, error) or habits.clock() + pause_seconds > give_up:
                raise
            lost = lost or not isinstance(error, ApiError)
        attempt += 1
        yield Pause(pause_seconds)


def until(
    ask: Callable[[float], Call[T]], done: Callable[[T], bool], habits: Habits, *, what: str, timeout_seconds: float
) -> Conversation[T]:
    """Ask again until `done`. `ask` makes the call from how long the daemon may hold its answer back.

    Raises WaitTimeout, and whatever `done` raises.
    """
    give_up = habits.clock() + timeout_seconds
    while True:
        left = max(0.0, give_up - habits.clock())
        found = yield from exchange(ask(min(left, HOLD_SECONDS)), habits)
        if done(found):
            return found
        if left <= 0:
            raise WaitTimeout(
                f"{what}: not ready within {timeout_seconds:g} s", hint="the daemon goes on with it: wait again"
            )
        yield Pause(min(left, POLL_SECONDS))


def _reply(reply: Reply | None) -> Reply:
    assert reply is not None, "a call is answered with a reply"
    return reply
