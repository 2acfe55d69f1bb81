"""Steering a server in another process: a Unix socket that takes the calls of ``OssServer`` and ``Faults`` as JSON.

``POST /`` with ``{"call": "faults.throttle", "arguments": {"count": 3}}`` answers ``{"result": ...}`` or, with 400,
``{"error": "..."}``. A socket in the file system can be reached from other network namespaces too, and only by the
user who owns it.
"""

from __future__ import annotations

import dataclasses
import http.client
import json
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer
from typing import Any

from .faults import Faults
from .server import OssServer

_SERVER_CALLS = (
    "create_bucket",
    "delete",
    "expire_sts_tokens",
    "issue_sts_token",
    "keys",
    "put_file",
    "put_tree",
    "reset_statistics",
    "start",
    "statistics",
    "stop",
)
_FAULT_CALLS = frozenset(name for name in vars(Faults) if not name.startswith("_") and name != "effect")
_PATH_ARGUMENTS = frozenset({"path", "directory"})


class ControlServer:
    """Listens from ``start`` to ``stop``."""

    def __init__(self, server: OssServer) -> None:
        calls = {name: getattr(server, name) for name in _SERVER_CALLS}
        calls |= {f"faults.{name}": getattr(server.faults, name) for name in _FAULT_CALLS}
        self._directory = Path(tempfile.mkdtemp(prefix="ossserver-"))  # only its owner may enter; its path is short
        self.socket = self._directory / "control"
        """Where it listens."""
        self._http = ThreadingUnixStreamServer(str(self.socket), _handler_class(calls))
        self._thread = threading.Thread(target=self._http.serve_forever, name="ossserver-control", daemon=True)

    def start(self) -> None:
        """Serve on a thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop serving and wait for the thread."""
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()
        shutil.rmtree(self._directory)


class ControlFailed(Exception):
    """The server could not do what it was asked; the message is its own."""


class Control:
    """The client's side: ``call("faults.latency", seconds=0.1)``, ``call("statistics")``. Blocks for the answer."""

    def __init__(self, path: str | Path) -> None:
        self._path = str(path)

    def call(self, name: str, **arguments: Any) -> Any:  # noqa: ANN401 - whatever the call gives, as JSON
        """The result, dataclasses as dicts. ControlFailed when the call failed."""
        connection = _UnixConnection(self._path)
        try:
            connection.request("POST", "/", json.dumps({"call": name, "arguments": arguments}))
            answer = json.load(connection.getresponse())
        finally:
            connection.close()
        if "error" in answer:
            raise ControlFailed(f"{name}: {answer['error']}")
        return answer["result"]


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=60)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def perform(calls: Mapping[str, Callable[..., Any]], body: bytes) -> tuple[int, dict[str, Any]]:
    """Run the call that a body describes; HTTP status and answer."""
    try:
        asked = json.loads(body)
        arguments = {
            name: Path(value) if name in _PATH_ARGUMENTS else value
            for name, value in asked.get("arguments", {}).items()
        }
        return 200, {"result": _plain(calls[asked["call"]](**arguments))}
    except Exception as error:  # noqa: BLE001 - whatever went wrong is the answer
        return 400, {"error": f"{type(error).__name__}: {error}"}


def _plain(value: object) -> object:
    return dataclasses.asdict(value) if dataclasses.is_dataclass(value) and not isinstance(value, type) else value


def _handler_class(calls: Mapping[str, Callable[..., Any]]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            status, answer = perform(calls, self.rfile.read(int(self.headers.get("Content-Length", "0"))))
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            pass

    return Handler
