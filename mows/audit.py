"""Who did what to this node: one JSON line an action in ``<state_dir>/audit.log``, apart from the daemon's own log.

A line has ``time``, ``action``, ``caller`` and, for a REST call, ``request_id`` (the one on the daemon's log lines),
then what the action is about. `mows.api.audited` writes one for every REST call that changes something; parts that act
without one (CSI, a lease that ends) call `record` themselves. Secrets are masked as in the log.

A power cut may cost the last lines, because they are not flushed to the disk; a crash of the daemon costs none.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from mows import logs

log = logging.getLogger(__name__)

NAME = "audit.log"
MODE = 0o600

FILE_BYTES = 16 << 20
"""Some 50,000 actions: months of a busy node."""

OLD_FILES = 4
"""``audit.log.1`` is the youngest of them."""


class Audit(Protocol):
    """Where actions are recorded. Any thread."""

    def record(self, action: str, caller: str, **fields: object) -> None:
        """Write one line. `action`: mount, umount, instance, prewarm, pin, unpin, evict, verify, csi publish, ...

        `caller`: ``uid:pid`` of a caller on the Unix socket, ``token:<name>@<address>``, ``csi``, or ``mows`` itself.
        Blocks on the disk for one small write. Raises nothing: an action is not undone because it cannot be recorded.
        """
        ...


class NoAudit:
    """Records nothing: for tests of other things."""

    def record(self, action: str, caller: str, **fields: object) -> None:
        """See `Audit`."""


NO_AUDIT = NoAudit()
"""It has no state."""


def _now() -> datetime:
    return datetime.now(UTC)


class AuditLog:
    """Implements `Audit` in a file of mode 0600, which is followed by a new one when it has `file_bytes`."""

    def __init__(
        self,
        path: Path,
        *,
        redact: Callable[[str], str],
        file_bytes: int = FILE_BYTES,
        old_files: int = OLD_FILES,
        now: Callable[[], datetime] = _now,
    ) -> None:
        self._path = path
        self._redact = redact
        self._file_bytes = file_bytes
        self._old_files = old_files
        self._now = now
        self._lock = threading.Lock()  # guards the files: lines stay whole, and one thread at a time replaces them

    def record(self, action: str, caller: str, **fields: object) -> None:
        """See `Audit`. What cannot be written goes to the daemon's log, as an ERROR."""
        line = self._line(action, caller, fields)
        try:
            with self._lock:
                self._make_room(len(line))
                self._append(line)
        except OSError as error:
            reason = error.strerror or str(error)
            log.error("%s: cannot be written (%s); not recorded: %s", self._path, reason, line.decode().rstrip())

    def _line(self, action: str, caller: str, fields: dict[str, object]) -> bytes:
        request = logs.bound_fields().get("request_id")
        known = {"request_id": request} if request is not None else {}
        time = self._now().isoformat(timespec="milliseconds")
        row = {"time": time, "action": action, "caller": caller, **known, **fields}
        return self._redact(json.dumps(row, default=str)).encode() + b"\n"

    def _make_room(self, size_bytes: int) -> None:
        try:
            if self._path.stat().st_size + size_bytes <= self._file_bytes:
                return
        except FileNotFoundError:
            return
        for number in range(self._old_files, 0, -1):
            younger = self._old(number - 1) if number > 1 else self._path
            if younger.exists():
                younger.replace(self._old(number))

    def _old(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")

    def _append(self, line: bytes) -> None:
        """All of it or nothing: half a line would spoil the next one, too."""
        file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, MODE)
        try:
            before = os.fstat(file).st_size
            if os.write(file, line) != len(line):
                os.ftruncate(file, before)
                raise OSError("the disk is full")
        finally:
            os.close(file)
