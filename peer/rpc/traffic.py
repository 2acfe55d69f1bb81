"""How much is said about chunks, in messages and bytes. The chunks themselves are counted where they are sent."""

from __future__ import annotations

import threading
from collections.abc import Mapping


class Traffic:
    """Messages of the server and of all links of a node. Any thread: fill threads count what they ask for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards both counts
        self._messages = {"sent": 0, "received": 0}
        self._bytes = {"sent": 0, "received": 0}

    def sent(self, nbytes: int) -> None:
        """One message went out."""
        self._count("sent", nbytes)

    def received(self, nbytes: int) -> None:
        """One message came in."""
        self._count("received", nbytes)

    def _count(self, direction: str, nbytes: int) -> None:
        with self._lock:
            self._messages[direction] += 1
            self._bytes[direction] += nbytes

    @property
    def messages(self) -> Mapping[str, int]:
        """``sent`` and ``received``, since the start. A copy."""
        with self._lock:
            return dict(self._messages)

    @property
    def bytes(self) -> Mapping[str, int]:
        """``sent`` and ``received``, since the start, as protobuf encodes them. A copy."""
        with self._lock:
            return dict(self._bytes)
