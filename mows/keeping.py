"""The daemon's side of the keeper (`mows.keeper`): a client, and what keeps the keeper supplied while the daemon lives.

The keeper's own death must not matter while a daemon lives: `Keeping` asks once a second what is held, and puts again
what is missing, so that a keeper that was started anew holds everything within that second.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mows.errors import KeeperUnavailable
from mows.keeper import DESCRIPTORS, MESSAGE_BYTES

_log = logging.getLogger(__name__)

TIMEOUT_SECONDS = 5.0
POLL_SECONDS = 1.0


class Keeper:
    """A client of the keeper. Connects when it must, and again after a failure. Thread-safe, blocking.

    Each call takes `timeout_seconds` at most and raises KeeperUnavailable when the keeper does not answer, or refuses.
    """

    def __init__(self, path: Path, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._path = path
        self._timeout_seconds = timeout_seconds
        self._lock = threading.Lock()  # guards _socket, and keeps question and answer together
        self._socket: socket.socket | None = None

    def put(self, name: str, fd: int, note: Mapping[str, object]) -> None:
        """Let the keeper hold a copy of `fd`. `note` is JSON of at most 64 KiB; both come back from `take`."""
        self._ask({"op": "put", "name": name, "note": dict(note)}, [fd])

    def take(self, name: str) -> tuple[int, Mapping[str, Any]] | None:
        """A descriptor, which is the caller's, and its note. The keeper goes on holding its own. None: no such name."""
        answer, fds = self._ask({"op": "get", "name": name})
        if not fds:
            return None
        for spare in fds[1:]:
            os.close(spare)
        return fds[0], answer["note"]

    def names(self) -> Sequence[str]:
        """What is held, in order of the names."""
        names: Sequence[str] = self._ask({"op": "list"})[0]["names"]
        return names

    def drop(self, name: str) -> None:
        """Let the keeper close what it holds under `name`, if it does."""
        self._ask({"op": "drop", "name": name})

    def close(self) -> None:
        """End the connection; a later call makes a new one."""
        with self._lock:
            self._hang_up()

    def _ask(self, request: Mapping[str, object], fds: Sequence[int] = ()) -> tuple[dict[str, Any], list[int]]:
        with self._lock:
            try:
                answer, received = self._exchange(json.dumps(request).encode(), fds)
            except (OSError, ValueError) as error:
                self._hang_up()
                raise KeeperUnavailable(f"daemon.keeper: {self._path}: {error}") from error
        if not answer.get("ok"):
            raise KeeperUnavailable(f"daemon.keeper: {self._path}: refused: {answer.get('error')}")
        return answer, received

    def _exchange(self, message: bytes, fds: Sequence[int]) -> tuple[dict[str, Any], list[int]]:
        connection = self._connected()
        socket.send_fds(connection, [message], fds)
        data, received, _, _ = socket.recv_fds(connection, MESSAGE_BYTES, DESCRIPTORS, socket.MSG_CMSG_CLOEXEC)
        if not data:
            raise ConnectionResetError("the keeper closed the connection")
        return json.loads(data), received

    def _connected(self) -> socket.socket:
        if self._socket is None:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            connection.settimeout(self._timeout_seconds)
            try:
                connection.connect(str(self._path))
            except OSError:
                connection.close()
                raise
            self._socket = connection
        return self._socket

    def _hang_up(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


@dataclass(frozen=True, slots=True)
class _Kept:
    fd: int
    note: Mapping[str, object]


class Keeping:
    """What the daemon wants kept. Start it once, close it once. Thread-safe; calls block like the client's.

    Owns a copy of each descriptor, a connection, and the thread ``mows-keeper``. A keeper that is not there is waited
    for: it is given everything when it is back, and only what happens to the daemon meanwhile is not survived.
    """

    def __init__(self, keeper: Keeper, poll_seconds: float = POLL_SECONDS) -> None:
        self._keeper = keeper
        self._poll_seconds = poll_seconds
        self._lock = threading.Lock()  # guards what follows, and keeps a put from crossing the drop of the same name
        self._kept: dict[str, _Kept] = {}
        self._untold: set[str] = set()  # names whose last put or drop has not reached the keeper
        self._connected: bool | None = None
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mows-keeper", daemon=True)

    @property
    def connected(self) -> bool:
        """Whether the keeper answered when it was last asked, at most a second ago."""
        return self._connected is True

    def start(self) -> None:
        """Ask the keeper once, and start the thread. Does not fail when there is none (yet)."""
        self.supply()
        self._thread.start()

    def supply(self) -> bool:
        """Let the keeper hold what is kept, and nothing that was dropped. False when it does not answer, or refuses."""
        with self._lock, self._noticed():
            missing = self._kept.keys() - set(self._keeper.names())
            for name in missing | self._untold:
                self._tell(name)
        return self.connected

    def put(self, name: str, fd: int, note: Mapping[str, object]) -> None:
        """Have a copy of `fd` kept from now on, in place of what `name` was before. Never raises KeeperUnavailable."""
        with self._lock:
            self._forget(name)
            self._kept[name] = _Kept(os.dup(fd), dict(note))
            with self._noticed():
                self._tell(name)

    def take(self, name: str) -> tuple[int, Mapping[str, Any]] | None:
        """See `Keeper.take`: what an earlier daemon left. Raises KeeperUnavailable."""
        return self._keeper.take(name)

    def names(self) -> Sequence[str]:
        """See `Keeper.names`. Raises KeeperUnavailable."""
        return self._keeper.names()

    def drop(self, name: str) -> None:
        """No longer keep `name`. Never raises KeeperUnavailable: a keeper that is away is told when it is back."""
        with self._lock:
            self._forget(name)
            with self._noticed():
                self._tell(name)

    def close(self) -> None:
        """End the thread and the connection. What the keeper holds stays held."""
        self._closing.set()
        if self._thread.ident is not None:
            self._thread.join()
        with self._lock:
            for name in list(self._kept):
                self._forget(name)
        self._keeper.close()

    def _forget(self, name: str) -> None:
        if (kept := self._kept.pop(name, None)) is not None:
            os.close(kept.fd)

    def _run(self) -> None:
        while not self._closing.wait(self._poll_seconds):
            self.supply()

    def _tell(self, name: str) -> None:
        """Let the keeper hold `name`, or not, as we do."""
        self._untold.add(name)
        if (kept := self._kept.get(name)) is None:
            self._keeper.drop(name)
        else:
            self._keeper.put(name, kept.fd, kept.note)
        self._untold.discard(name)

    @contextlib.contextmanager
    def _noticed(self) -> Iterator[None]:
        """Remember whether the keeper answers, and log when that changes."""
        try:
            yield
        except KeeperUnavailable as error:
            if self._connected is not False:
                _log.warning("%s; %s", error, error.hint)
            self._connected = False
        else:
            if self._connected is False:
                _log.info("the keeper is back, and holds %d mounts", len(self._kept))
            self._connected = True
