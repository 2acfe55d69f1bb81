"""Steering a server in another process: a second port that takes the calls of ``OssServer`` and ``Faults`` as JSON.

``POST /`` with ``{"call": "faults.throttle", "arguments": {"count": 3}}`` answers ``{"result": ...}`` or, with 400,
``{"error": "..."}``. The port is on the loopback interface and asks for nothing: never run this outside a test.
"""

from __future__ import annotations

import dataclasses
import json
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

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
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler_class(calls))
        self._thread = threading.Thread(target=self._http.serve_forever, name="ossserver-control", daemon=True)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def start(self) -> None:
        """Serve on a thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop serving and wait for the thread."""
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


class Control:
    """The client's side. ``call("faults.latency", seconds=0.1)``, ``call("statistics")``. Blocks for the answer."""

    def __init__(self, url: str) -> None:
        self._url = url

    def call(self, name: str, **arguments: Any) -> Any:  # noqa: ANN401 - whatever the call gives, as JSON
        """The result, dataclasses as dicts. urllib.error.HTTPError (400) when the call failed."""
        body = json.dumps({"call": name, "arguments": arguments}).encode()
        with urlopen(Request(self._url, data=body), timeout=60) as response:
            return json.load(response)["result"]


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
