"""A server that says exactly what a test wrote, byte by byte, whatever it is asked."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

RESET = b"<reset>"
"""In a script: reset the connection instead of sending anything more on it."""
HANG = b"<hang>"
"""In a script: send nothing more, and keep the connection until the server stops."""


@dataclass
class Scripted:
    """One script per connection, one item per request. A script that has ended closes its connection."""

    scripts: Sequence[Sequence[bytes]]
    port: int = 0
    requests: list[bytes] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def scripted(*scripts: Sequence[bytes], tls: ssl.SSLContext | None = None) -> Iterator[Scripted]:
    """A server for as long as the block lasts; the n-th connection gets the n-th script, later ones are closed."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = Scripted(scripts, listener.getsockname()[1])
    stopping = threading.Event()
    threads: list[threading.Thread] = []

    def accept() -> None:
        for number in range(1 << 30):
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            script = scripts[number] if number < len(scripts) else ()
            thread = threading.Thread(target=_play, args=(server, connection, script, stopping, tls))
            threads.append(thread)
            thread.start()

    acceptor = threading.Thread(target=accept)
    acceptor.start()
    try:
        yield server
    finally:
        stopping.set()
        listener.shutdown(socket.SHUT_RDWR)
        acceptor.join()
        listener.close()
        for thread in threads:
            thread.join()


def _play(
    server: Scripted,
    plain: socket.socket,
    script: Sequence[bytes],
    stopping: threading.Event,
    tls: ssl.SSLContext | None,
) -> None:
    with suppress(OSError), plain if tls is None else tls.wrap_socket(plain, server_side=True) as connection:
        for said in script:
            request = b""
            while not request.endswith(b"\r\n\r\n"):
                if not (more := connection.recv(65536)):
                    return
                request += more
            server.requests.append(request)
            kept, hang, _ = said.partition(HANG)
            kept, reset, _ = kept.partition(RESET)
            connection.sendall(kept)
            if hang:
                stopping.wait()
            if reset:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                return
