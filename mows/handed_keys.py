"""Keys that were handed to this process for one mount: in memory only, and only for that mount's origin.

The kubelet hands over a volume's secrets with every publish call. They may not be written down, so they are gone after
a restart, and handed over again when the kubelet repeats the call. Until then, who needs the origin waits for them.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from cachefs.errors import OriginUnavailable
from cachefs.origin.keys import Keys


class HandedKeys:
    """Keys by the name of the mount they are for. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards _keys
        self._keys: dict[str, Keys] = {}

    def hand(self, name: str, keys: Keys) -> None:
        """From now on these are the keys of `name`: origins that are open sign their next request with them."""
        with self._lock:
            if self._keys.get(name) != keys:  # the same object as long as nothing changes: it is the stamp
                self._keys[name] = keys

    def forget(self, name: str) -> None:
        """Without effect when there are none."""
        with self._lock:
            self._keys.pop(name, None)

    def source(self, name: str) -> HandedSource:
        """Where an origin gets the keys of `name`, now and later."""
        return HandedSource(self, name)

    def get(self, name: str) -> Keys | None:
        """The keys of `name`; None when they were not handed over, or not since the start."""
        with self._lock:
            return self._keys.get(name)


@dataclass(frozen=True, slots=True)
class HandedSource:
    """Implements `cachefs.origin.credentials.KeySource`."""

    handed: HandedKeys
    mount: str

    @property
    def name(self) -> str:
        """For messages."""
        return f"the caller that made mount {self.mount}"

    def fetch(self) -> Keys:
        """See `KeySource.fetch`."""
        keys = self.handed.get(self.mount)
        if keys is None:
            raise OriginUnavailable(
                f"credentials from {self.name}: not handed over since this daemon began",
                hint="wait for the kubelet to publish the volume again (requiresRepublish: true in the CSIDriver)",
            )
        return keys

    def stamp(self) -> object:
        """See `KeySource.stamp`."""
        return self.handed.get(self.mount)
