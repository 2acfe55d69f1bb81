"""The keeper: a process that holds descriptors for the daemon, so that a mount outlives it.

The kernel ends a FUSE connection with the last descriptor of it. The daemon leaves one here, so that its death is only
a pause for readers, until the next daemon takes the descriptor and goes on. The keeper itself must never have to be
started anew: it needs the standard library only, and never reads, writes or understands what it holds.

Protocol: a Unix socket of whole messages (SOCK_SEQPACKET), each a JSON object; descriptors travel beside it
(SCM_RIGHTS)::

    {"op": "put", "name": N, "note": {...}} + descriptors   {"ok": true}        what N was before is closed
    {"op": "get", "name": N}                                {"ok": true, "note": {...}} + copies; note null: no such N
    {"op": "list"}                                          {"ok": true, "names": [...]}
    {"op": "drop", "name": N}                               {"ok": true}        also when there is no N
    anything else                                           {"ok": false, "error": "..."}

Readers must not wait for ever for a daemon that nobody starts again: when no client that puts or gets was connected for
``--orphan-seconds``, everything is closed, and they get ENOTCONN.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import selectors
import signal
import socket
import struct
import sys
import time
from pathlib import Path
from typing import NamedTuple

NAME_BYTES = 144
NOTE_BYTES = 64 * 1024
MESSAGE_BYTES = NOTE_BYTES + 1024
HELD_NAMES = 448
"""All names fit into the one answer to ``list``, and all descriptors below the usual limit of 1024."""
DESCRIPTORS = 2
CLIENTS = 16

_log = logging.getLogger("mows.keeper")
_CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid
Answer = tuple[dict[str, object], tuple[int, ...]]  # the reply, and the descriptors that go with it


class Held(NamedTuple):
    """What one name stands for."""

    fds: tuple[int, ...] = ()
    note: dict[str, object] | None = None

    def close(self) -> None:
        """Let go."""
        for fd in self.fds:
            with contextlib.suppress(OSError):
                os.close(fd)


class Keeper:
    """Serves one listening socket. One thread; a client that does not read what it is sent is put out."""

    def __init__(self, listener: socket.socket, orphan_seconds: float) -> None:
        self.orphan_seconds = orphan_seconds
        self.held: dict[str, Held] = {}
        self.daemons: dict[socket.socket, bool] = {}  # every client; True: it has put or got something
        self.alone_since = time.monotonic()
        self.selector = selectors.DefaultSelector()
        self.selector.register(listener, selectors.EVENT_READ, self.accept)

    def serve(self) -> None:
        """Serve until SystemExit."""
        while True:
            for key, _ in self.selector.select(self.patience_seconds()):
                with contextlib.suppress(ConnectionError):  # it has gone already
                    key.data(key.fileobj)
            if self.patience_seconds() == 0.0:
                self.let_go(f"no daemon for {self.orphan_seconds:g} s")

    def patience_seconds(self) -> float | None:
        """How long to wait for a daemon. None: for ever, because there is one, or nothing to wait with."""
        if not self.held or any(self.daemons.values()):
            return None
        return max(0.0, self.alone_since + self.orphan_seconds - time.monotonic())

    def let_go(self, why: str) -> None:
        """Close everything."""
        while self.held:
            name, one = self.held.popitem()
            _log.warning("closes %s: %s; if no daemon has it, its readers get ENOTCONN", name, why)
            one.close()

    def accept(self, listener: socket.socket) -> None:
        """Take a client of root or of our own user."""
        client, _ = listener.accept()
        ucred = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        _, uid, _ = _CREDENTIALS.unpack(ucred)
        if uid not in {0, os.getuid()} or len(self.daemons) >= CLIENTS:
            _log.warning("refuses user %d; %d clients are connected", uid, len(self.daemons))
            client.close()
            return
        client.settimeout(0.0)
        self.daemons[client] = False
        self.selector.register(client, selectors.EVENT_READ, self.serve_client)

    def serve_client(self, client: socket.socket) -> None:
        """Read one request and answer it, or find that the client has gone."""
        try:
            data, fds, flags, _ = socket.recv_fds(client, MESSAGE_BYTES, DESCRIPTORS, socket.MSG_CMSG_CLOEXEC)
            truncated = flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC) != 0
            if data:
                reply, copies = self.answer(client, data, Held(tuple(fds)), truncated=truncated)
                socket.send_fds(client, [json.dumps(reply).encode()], copies)
                return
        except OSError as error:
            _log.info("a client vanished: %s", error)
        self.selector.unregister(client)
        client.close()
        if self.daemons.pop(client) and not any(self.daemons.values()):
            self.alone_since = time.monotonic()
            _log.info("no daemon is connected; %d names are held for %g s", len(self.held), self.orphan_seconds)

    def answer(self, client: socket.socket, data: bytes, came: Held, *, truncated: bool) -> Answer:
        """Do what is asked, whatever it is. What `came` and is not kept is closed."""
        try:
            return self.perform(client, json.loads(data), came, truncated=truncated)
        except Exception as error:  # noqa: BLE001 nothing that a client sends may end the keeper
            came.close()
            _log.warning("refused: %r", error)
            return {"ok": False, "error": str(error) or repr(error)}, ()

    def perform(self, client: socket.socket, request: object, came: Held, *, truncated: bool) -> Answer:
        """Raises whatever a wrong request makes it raise."""
        match request:
            case {"op": "put", "name": str(name), "note": dict(note)} if came.fds and not truncated:
                self.put(name, came._replace(note=note))
                self.daemons[client] = True
                return {"ok": True}, ()
            case {"op": "get", "name": str(name)} if not came.fds:
                self.daemons[client] = True
                one = self.held.get(name, Held())
                return {"ok": True, "note": one.note}, one.fds
            case {"op": "list"} if not came.fds:
                return {"ok": True, "names": sorted(self.held)}, ()
            case {"op": "drop", "name": str(name)} if not came.fds:
                self.held.pop(name, Held()).close()
                return {"ok": True}, ()
        raise ValueError("not understood, or a put without, or with too many, descriptors")

    def put(self, name: str, one: Held) -> None:
        """Hold `one` under `name`."""
        if len(json.dumps(name)) > NAME_BYTES or len(json.dumps(one.note)) > NOTE_BYTES:
            raise ValueError(f"a name has at most {NAME_BYTES} bytes, a note {NOTE_BYTES}")
        if name not in self.held and len(self.held) >= HELD_NAMES:
            raise ValueError(f"{name}: {HELD_NAMES} names are held already")
        self.held.pop(name, Held()).close()
        self.held[name] = one


def listen(path: Path) -> socket.socket:
    """A socket at `path`, in place of one that a dead keeper left. SystemExit when another keeper answers there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_socket():
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as caller:
            if caller.connect_ex(str(path)) == 0:
                sys.exit(f"{path}: another keeper answers there")
        path.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    os.umask(0o177)
    listener.bind(str(path))
    listener.listen(CLIENTS)
    return listener


def main() -> None:
    """Hold descriptors until SIGTERM or SIGINT."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    parser = argparse.ArgumentParser(prog="mows.keeper", description="holds the mounts of a MoWS daemon")
    parser.add_argument("--socket", type=Path, required=True, help="where daemons find it (daemon.keeper)")
    parser.add_argument("--orphan-seconds", type=float, default=600.0, help="how long to hold without any daemon")
    arguments = parser.parse_args()
    ended, end = os.pipe2(os.O_NONBLOCK)
    signal.set_wakeup_fd(end)  # a handler alone is not run for a signal that comes just before a wait begins
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    keeper = Keeper(listen(arguments.socket), arguments.orphan_seconds)
    keeper.selector.register(ended, selectors.EVENT_READ, lambda _: sys.exit(0))
    _log.info("holds descriptors for %s; process id %d", arguments.socket, os.getpid())
    try:
        keeper.serve()
    finally:
        keeper.let_go("the keeper ends")
        arguments.socket.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
