"""A world for conversations: answers in the order they are given, and a clock that only pauses and answers move."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from mows.client.call import Call, Reply
from mows.client.errors import ClientError, DaemonUnreachable
from mows.client.exchange import Conversation, Habits, Pause, Retries

T = TypeVar("T")


def problem(status: int, code: str, **more: object) -> Reply:
    """A problem document."""
    return Reply(status, "application/problem+json", json.dumps({"code": code, "detail": code, **more}).encode())


def never_sent() -> DaemonUnreachable:
    """Nobody listens."""
    return DaemonUnreachable("connection refused", sent=False)


def broke() -> DaemonUnreachable:
    """The daemon may have got it."""
    return DaemonUnreachable("connection reset", sent=True)


@dataclass
class World:
    """`script`: a reply or error for each request, the last one for ever."""

    script: Sequence[Reply | ClientError]
    answer_seconds: float = 0.0
    now: float = 1000.0
    sent: list[Call[Any]] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)

    def habits(self, retries: Retries | None = None) -> Habits:
        """With this clock, and pauses as long as they may be."""
        return Habits(retries or Retries(), clock=lambda: self.now, chance=lambda: 1.0)

    def play(self, conversation: Conversation[T]) -> T:
        """The answer the conversation comes to."""
        try:
            step = next(conversation)
            while True:
                step = self._do(step, conversation)
        except StopIteration as end:
            answer: T = end.value
            return answer

    def _do(self, step: Call[Any] | Pause, conversation: Conversation[T]) -> Call[Any] | Pause:
        if isinstance(step, Pause):
            self.pauses.append(step.seconds)
            self.now += step.seconds
            return conversation.send(None)
        self.sent.append(step)
        self.now += self.answer_seconds
        found = self.script[min(len(self.sent), len(self.script)) - 1]
        return conversation.throw(found) if isinstance(found, ClientError) else conversation.send(found)
