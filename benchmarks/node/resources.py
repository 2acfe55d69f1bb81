"""What a run has started, given back in reverse order however the run ends: done, failed, or Ctrl-C at any moment."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from types import FrameType, TracebackType
from typing import Self, TypeVar

from benchmarks.node.errors import NodeError

Entered = TypeVar("Entered")

INTERRUPTED_EXIT_CODE = 130
"""What shells say of a program that Ctrl-C ended."""

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Resources:
    """A stack of context managers that an interrupt can neither slip into nor cut short.

    While this is entered, SIGINT and SIGTERM raise KeyboardInterrupt only inside `interruptible`, only once, and never
    in the middle of `enter`. A signal that comes at another moment waits for the next `interruptible`, and one that was
    lost (Python drops what a handler raises inside a finalizer) is raised by the next `enter`. Only for the main
    thread, since only it handles signals.
    """

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._raising = False
        self._received = False
        self._raised = False

    def __enter__(self) -> Self:
        for number in SIGNALS:
            self._stack.callback(signal.signal, number, signal.signal(number, self._on_signal))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def enter(self, resource: AbstractContextManager[Entered]) -> Entered:
        """Enter `resource` and own it from then on. An interrupt waits until that is done: entering must be short."""
        with self._set_raising(raising=False):
            entered = self._stack.enter_context(resource)
        self._raise_if_received()
        return entered

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Let the first signal raise KeyboardInterrupt here, at once."""
        with self._set_raising(raising=True):
            self._raise_if_received()
            yield

    @contextmanager
    def _set_raising(self, *, raising: bool) -> Iterator[None]:
        before, self._raising = self._raising, raising
        try:
            yield
        finally:
            self._raising = before

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._received = True
        if self._raising and not self._raised:
            self._raise_if_received()

    def _raise_if_received(self) -> None:
        if self._received:
            self._raised = True
            raise KeyboardInterrupt


def run_owning(work: Callable[[Resources], int]) -> int:
    """Run `work` with resources of its own: the exit status of a program that does nothing else.

    What `work` answers; 1, and the message on standard error, for a NodeError; 130 when it was interrupted. By the time
    this returns or raises, everything `work` entered has been given back.
    """
    with Resources() as resources:
        try:
            with resources.interruptible():
                return work(resources)
        except KeyboardInterrupt:
            return INTERRUPTED_EXIT_CODE
        except NodeError as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
            return 1
