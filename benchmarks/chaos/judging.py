"""Which troubles of readers were to be expected, because the source was really gone, and which are failures. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchmarks.chaos.reader import Trouble

NEVER = float("inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Excuse:
    """Readers of `nodes` may see `errors` in calls that ended between two moments of the monotonic clock."""

    cause: str
    errors: tuple[str, ...]
    nodes: frozenset[int]
    since: float
    until: float = NEVER

    def covers(self, trouble: Trouble) -> bool:
        """Whether this explains it. While readers may see errors, they may wait for them, too."""
        explained = trouble.kind == "stall" or (trouble.kind == "error" and trouble.what in self.errors)
        return explained and trouble.node in self.nodes and self.since <= trouble.ended <= self.until


@dataclass(frozen=True, slots=True, kw_only=True)
class Overwritten:
    """A version that the origin no longer has.

    Whoever opened the object before his node showed the next version may be told so (SEMANTICS S8): ESTALE, or EFAULT
    in a mapping. Whoever opens it afterwards may not.
    """

    name: str
    since: float
    """When the next version was put."""
    shown: dict[int, float]
    """When each node showed the next version; one that has not yet is not in it."""

    cause = "overwritten"

    def covers(self, trouble: Trouble) -> bool:
        """Whether this explains it."""
        return (
            trouble.kind == "error"
            and trouble.what in ("ESTALE", "EFAULT")
            and trouble.name == self.name
            and self.since <= trouble.ended
            and trouble.opened <= self.shown.get(trouble.node, NEVER)
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """All troubles, sorted. Keys of `excused` are the cause and the errno."""

    wrong: Sequence[Trouble]
    unexcused: Sequence[Trouble]
    excused: Counter[tuple[str, str]]
    stalls: Sequence[Trouble]
    """Long calls that ended while the source was there, the longest first."""

    @property
    def good(self) -> bool:
        """Whether no reader has seen what it must not see."""
        return not self.wrong and not self.unexcused


def judge(troubles: Iterable[Trouble], excuses: Sequence[Excuse | Overwritten]) -> Verdict:
    """Every trouble on its heap. Wrong bytes have no excuse."""
    wrong, unexcused, stalls, excused = [], [], [], Counter[tuple[str, str]]()
    for trouble in troubles:
        cause = next((excuse.cause for excuse in excuses if excuse.covers(trouble)), None)
        if trouble.kind == "wrong":
            wrong.append(trouble)
        elif trouble.kind == "stall":
            stalls += [] if cause else [trouble]
        elif cause is None:
            unexcused.append(trouble)
        else:
            excused[cause, trouble.what] += 1
    stalls.sort(key=lambda stall: stall.began - stall.ended)
    return Verdict(wrong, unexcused, excused, stalls)
