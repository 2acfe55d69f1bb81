"""Bytes for the sake of it: ``python -m benchmarks.lab.stream``, one end of a few TCP connections.

`receive ADDRESS:PORT SECONDS` says ``ready`` once it listens, and how many bytes arrived per second when the time since
the first connection is over; the first second does not count, since flows are still growing. `send ADDRESS:PORT FLOWS`
sends until nobody takes it any more. Only the standard library: it starts in a moment.
"""

from __future__ import annotations

import selectors
import socket
import sys
import threading
import time

BLOCK_BYTES = 256 * 1024
WARM_UP_SECONDS = 1.0
CONNECT_SECONDS = 10.0


def receive(host: str, port: int, seconds: float) -> float:
    """Bytes per second from all connections together, between the first second and `seconds` later."""
    with socket.create_server((host, port)) as listener, selectors.DefaultSelector() as selector:
        print("ready", flush=True)
        listener.settimeout(0)
        selector.register(listener, selectors.EVENT_READ)
        selector.select(CONNECT_SECONDS)
        began = time.monotonic() + WARM_UP_SECONDS
        _take(listener, selector, began)
        return _take(listener, selector, began + seconds) / (time.monotonic() - began)


def _take(listener: socket.socket, selector: selectors.BaseSelector, until: float) -> int:
    """Bytes that come until then."""
    buffer, taken = bytearray(BLOCK_BYTES), 0
    while (left := until - time.monotonic()) > 0:
        for key, _ in selector.select(left):
            connection = key.fileobj
            assert isinstance(connection, socket.socket)
            if connection is listener:
                selector.register(listener.accept()[0], selectors.EVENT_READ)
            elif count := connection.recv_into(buffer):
                taken += count
            else:
                selector.unregister(connection)
                connection.close()
    return taken


def send(host: str, port: int, flows: int) -> None:
    """Send over so many connections at once, for as long as they are taken."""
    threads = [threading.Thread(target=_pour, args=(host, port)) for _ in range(flows)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _pour(host: str, port: int) -> None:
    block = bytes(BLOCK_BYTES)
    try:
        with socket.create_connection((host, port), CONNECT_SECONDS) as connection:
            while True:
                connection.sendall(block)
    except OSError:
        return  # the receiver has what it needs


def main(what: str, where: str, number: str) -> None:
    """Be one end."""
    host, _, port = where.rpartition(":")
    if what == "send":
        send(host, int(port), int(number))
    else:
        print(receive(host, int(port), float(number)))


if __name__ == "__main__":
    main(*sys.argv[1:])
