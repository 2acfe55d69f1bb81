"""What can go wrong on this side of the API, as one small tree. `report` is how a person or a script sees it.

::

    CliError
    ├── ApiError            the daemon answered with a problem document (RFC 9457): its code, its hint
    ├── DaemonUnreachable   daemon_unreachable   nobody answers on the socket or URL
    ├── Failure             any code             something this command found itself, or `mows.client` did
    └── WaitInterrupted     interrupted          Ctrl-C while the daemon worked on
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from cli.exit_codes import ExitCode


class CliError(Exception):
    """An expected failure: printed as one message and a hint, never as a traceback."""

    code = "internal"
    exit_code = ExitCode.FAILED

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint

    def document(self) -> dict[str, Any]:
        """The error as an RFC 9457 problem document, for ``--json``."""
        return {"type": f"urn:mows:error:{self.code}", "title": str(self), "code": self.code, "hint": self.hint}


class ApiError(CliError):
    """A problem document of the daemon."""

    def __init__(self, message: str, code: str, exit_code: ExitCode, hint: str, problem: Mapping[str, Any]) -> None:
        super().__init__(message, hint=hint)
        self.code = code
        self.exit_code = exit_code
        self._problem = dict(problem)

    def document(self) -> dict[str, Any]:
        """What the daemon said, unaltered; our own words where it said nothing."""
        return self._problem or super().document()


class DaemonUnreachable(CliError):
    """Nobody answers on the socket or URL, or the connection broke."""

    code = "daemon_unreachable"
    exit_code = ExitCode.UNREACHABLE


class Failure(CliError):
    """Something a command found itself; `code` as in the daemon's errors."""

    def __init__(self, message: str, *, code: str, exit_code: ExitCode, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.code = code
        self.exit_code = exit_code


class WaitInterrupted(CliError):
    """Ctrl-C during a wait. The message says what goes on without us."""

    code = "interrupted"
    exit_code = ExitCode.INTERRUPTED


def message_lines(error: CliError) -> str:
    """``mows: what: value (code)`` and, where there is a remedy, ``hint: remedy``."""
    first = f"mows: {error} ({error.code})"
    return f"{first}\nhint: {error.hint}" if error.hint else first


def message_json(error: CliError) -> str:
    """The problem document as text."""
    return json.dumps(error.document(), indent=2, ensure_ascii=False)
