"""The server: a listening socket, a thread that accepts, a thread per connection, and the calls a test makes on it."""

from __future__ import annotations

import itertools
import os
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self

from . import digests
from .authentication import Authenticator, Policy
from .connections import Connection, Surroundings
from .credentials import Accounts, StsToken
from .faults import Faults
from .handling import Dispatcher
from .messages import Service
from .objects import STANDARD, Draft, ObjectStore, check_key
from .statistics import Recorder, Statistics
from .uploads import Uploads

DEFAULT_ACCESS_KEYS: Mapping[str, str] = MappingProxyType({"test-access-key-id": "test-access-key-secret"})
PUT_FILE_PART_BYTES = 64 * 1024 * 1024


class OssServer:
    """An Object Storage Service for tests, in this process.

    ``root`` is a directory for the objects' bytes, tmpfs for speed; what the server puts there is deleted by ``close``.
    ``port`` 0 takes a free one and keeps it over ``stop`` and ``start``. Every method may be called from any thread.
    """

    def __init__(
        self,
        root: Path,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        region: str = "cn-hangzhou",
        access_keys: Mapping[str, str] = DEFAULT_ACCESS_KEYS,
        require_signature: bool = True,
        allow_v1: bool = True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self.region = region
        self.access_keys = dict(access_keys)
        self.faults = Faults()
        self._clock = clock
        self._recorder = Recorder()
        self._accounts = Accounts(access_keys)
        self._store = ObjectStore(Path(tempfile.mkdtemp(prefix="ossserver-", dir=root)), self.now)
        service = Service(region, self._store, Uploads(self._store.new_path, self.now), self.now)
        policy = Policy(region, require_signature=require_signature, allow_v1=allow_v1)
        self._dispatcher = Dispatcher(service, Authenticator(self._accounts, policy, self.now))
        self._listener = _Listener(host, port, self._dispatcher, self.faults, self._recorder, self.now)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def port(self) -> int:
        """Where it listens, or will again. 0 before the first start if a free one was asked for."""
        return self._listener.port

    @property
    def endpoint(self) -> str:
        """The base URL, for path-style addressing."""
        return f"http://{self._listener.host}:{self.port}"

    def now(self) -> float:
        """The server's clock, Unix seconds."""
        return self._clock() + self.faults.clock_offset_seconds

    def start(self) -> None:
        """Listen. OSError when the port is taken."""
        self._listener.start()

    def stop(self) -> None:
        """Refuse connections and end the present ones: the origin is gone. Objects stay; ``start`` brings it back."""
        self._listener.stop()

    def close(self) -> None:
        """Stop, and delete the objects."""
        self.stop()
        self._store.close()

    def create_bucket(self, name: str, *, versioning: bool = False) -> None:
        """Add a bucket; nothing happens when it is there."""
        self._store.create_bucket(name)
        if versioning:
            self._store.set_versioning(name, "Enabled")

    def put(
        self,
        bucket: str,
        key: str,
        data: bytes,
        *,
        storage_class: str = STANDARD,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> str:
        """Store bytes; returns the ETag without quotes."""
        check_key(key)
        path = self._store.new_path()
        path.write_bytes(data)
        digest = digests.digest_bytes(data)
        draft = Draft(path, len(data), digest.etag, digest.crc64, storage_class=storage_class, headers=headers)
        self._store.add(bucket, key, draft)
        return digest.etag

    def put_file(
        self,
        bucket: str,
        key: str,
        path: Path,
        *,
        part_bytes: int | None = PUT_FILE_PART_BYTES,
        storage_class: str = STANDARD,
    ) -> str:
        """Store a file as if it had been uploaded in parts of this size, or in one piece if None; returns the ETag.

        The file is linked, not copied, where the file system allows it: nobody may change it in place afterwards.
        """
        check_key(key)
        place = self._store.new_path()
        _link_or_copy(path, place)
        size = place.stat().st_size
        parts = digests.digest_parts(place, part_bytes or max(size, 1))
        draft = Draft(
            place,
            size,
            parts[0].etag if len(parts) == 1 else digests.multipart_etag(parts),
            digests.combine(parts),
            object_type="Normal" if len(parts) == 1 else "Multipart",
            storage_class=storage_class,
        )
        self._store.add(bucket, key, draft)
        return draft.etag

    def put_tree(self, bucket: str, prefix: str, directory: Path) -> list[str]:
        """Store every file below a directory under ``prefix`` and its relative path; returns the keys."""
        files = sorted(path for path in directory.rglob("*") if path.is_file())
        keys = [prefix + path.relative_to(directory).as_posix() for path in files]
        for key, path in zip(keys, files, strict=True):
            self.put_file(bucket, key, path)
        return keys

    def delete(self, bucket: str, key: str, version_id: str | None = None) -> None:
        """Delete an object or a version of it; nothing happens when there is none."""
        self._store.delete(bucket, key, version_id)

    def keys(self, bucket: str) -> list[str]:
        """What a listing shows."""
        return list(self._store.keys(bucket))

    def issue_sts_token(self, seconds: float) -> StsToken:
        """A temporary credential that ends so many seconds from now, by the server's clock."""
        return self._accounts.issue(self.now() + seconds)

    def expire_sts_tokens(self, but: str | None = None) -> None:
        """End every temporary credential issued so far, except the one whose access key id is `but`."""
        self._accounts.expire_all(self.now(), but=but)

    def statistics(self) -> Statistics:
        """What happened since the start or the last reset."""
        return self._recorder.statistics()

    def reset_statistics(self) -> None:
        """Count from zero."""
        self._recorder.reset()


@dataclass(slots=True)
class _Running:
    """What exists only between start and stop."""

    socket: socket.socket
    stopping: threading.Event
    accepting: threading.Thread


class _Listener:
    """The listening socket and the threads behind it."""

    def __init__(
        self,
        host: str,
        port: int,
        dispatcher: Dispatcher,
        faults: Faults,
        recorder: Recorder,
        clock: Callable[[], float],
    ) -> None:
        self.host = host
        self.port = port
        self._dispatcher = dispatcher
        self._faults = faults
        self._recorder = recorder
        self._clock = clock
        self._lock = threading.Lock()  # guards _connections
        self._connections: dict[Connection, threading.Thread] = {}
        self._running: _Running | None = None
        self._numbers = itertools.count(1)

    def start(self) -> None:
        if self._running is not None:
            return
        listening = socket.create_server((self.host, self.port), backlog=1024)
        self.port = listening.getsockname()[1]
        stopping = threading.Event()
        thread = threading.Thread(target=self._accept, args=(listening, stopping), name="ossserver-accept", daemon=True)
        self._running = _Running(listening, stopping, thread)
        thread.start()

    def stop(self) -> None:
        running, self._running = self._running, None
        if running is None:
            return
        running.stopping.set()
        running.socket.shutdown(socket.SHUT_RDWR)  # close() alone would leave the thread in accept()
        running.accepting.join()
        running.socket.close()
        with self._lock:
            connections = dict(self._connections)
        for connection, thread in connections.items():
            connection.shut_down()
            thread.join()

    def _accept(self, listening: socket.socket, stopping: threading.Event) -> None:
        around = Surroundings(self._dispatcher, self._faults, self._recorder, self._clock, stopping)
        while not stopping.is_set():
            try:
                accepted, (client, *_) = listening.accept()
            except OSError:
                return
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._recorder.connection()
            self._begin(Connection(accepted, client, around))

    def _begin(self, connection: Connection) -> None:
        name = f"ossserver-connection-{next(self._numbers)}"
        thread = threading.Thread(target=self._serve, args=(connection,), name=name, daemon=True)
        with self._lock:
            self._connections[connection] = thread
            thread.start()

    def _serve(self, connection: Connection) -> None:
        try:
            connection.serve()
        finally:
            with self._lock:
                del self._connections[connection]


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
