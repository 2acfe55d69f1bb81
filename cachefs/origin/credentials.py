"""Keys that are replaced while they are in use: refetched early, checked before they replace good ones.

A refetch happens when less than 20 minutes remain, when a credentials file has changed, and when the origin refuses
the present keys. One thread refetches; the others go on with what they have for as long as it is valid. A provider
that fails, or hands out rubbish, costs a warning while the old keys last, and `CredentialsExpired` afterwards.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol

from cachefs.errors import CredentialsExpired
from cachefs.origin.keys import InvalidKeys, Keys

RENEW_BEFORE_SECONDS = 20 * 60
"""Session tokens live for an hour or more; a provider has the next one ready half an hour before the end (ECS)."""
EARLY_RETRY_SECONDS = 30.0
"""While the present keys are valid, ask a provider that gave nothing newer only this often."""
REFUSED_RETRY_SECONDS = 1.0
"""When keys are refused, ask this often: a prefix that may not be read must not start a process per request."""

log = logging.getLogger(__name__)


class KeySource(Protocol):
    """Where keys are fetched from. May block for some seconds."""

    @property
    def name(self) -> str:
        """For messages."""
        ...

    def fetch(self) -> Keys:
        """The keys as they are now. Raises InvalidKeys, whose text holds no secret.

        OriginUnavailable while there is nothing to ask yet: who needs the keys tries again until the deadline.
        """
        ...

    def stamp(self) -> object:
        """Something that differs when `fetch` would give other keys; cheap."""
        ...


class Credentials:
    """The present keys of one source. Thread-safe."""

    def __init__(self, source: KeySource, *, clock: Callable[[], float] = time.time) -> None:
        self._source = source
        self._clock = clock
        self._lock = threading.Lock()  # held while fetching; guards all below
        self._keys: Keys | None = None
        self._stamp: object = None
        self._attempted_at = float("-inf")

    def get(self) -> Keys:
        """Keys to sign with now. Blocks for a fetch only when there are no valid ones. Raises CredentialsExpired."""
        keys = self._keys
        if keys is None or self._expired(keys):
            with self._lock:
                if self._keys is None or self._expired(self._keys):
                    self._fetch()
                return self._valid()
        if self._due(keys) and self._lock.acquire(blocking=False):
            try:
                self._fetch()
            finally:
                self._lock.release()
        return self._keys or keys

    def renew(self, refused: Keys) -> Keys:
        """Newer keys than `refused`, which the origin did not accept; `refused` itself if there are none."""
        with self._lock:
            if self._keys == refused and (self._changed() or self._idle_for(REFUSED_RETRY_SECONDS)):
                self._fetch()
            return self._keys or refused

    def _due(self, keys: Keys) -> bool:
        if self._changed():
            return True
        remaining = float("inf") if keys.expires_at is None else keys.expires_at - self._clock()
        return remaining < RENEW_BEFORE_SECONDS and self._idle_for(EARLY_RETRY_SECONDS)

    def _expired(self, keys: Keys) -> bool:
        return keys.expires_at is not None and keys.expires_at <= self._clock()

    def _changed(self) -> bool:
        return self._source.stamp() != self._stamp

    def _idle_for(self, seconds: float) -> bool:
        return self._clock() - self._attempted_at >= seconds

    def _fetch(self) -> None:
        """Replace the keys if the source has good ones; else keep the old and say so."""
        self._attempted_at = self._clock()
        self._stamp = self._source.stamp()  # before the fetch: a change during it is seen as one the next time
        try:
            self._keys = self._fetched()
        except InvalidKeys as error:
            if self._keys is None:
                raise CredentialsExpired(f"credentials from {self._source.name}: {error}") from None
            log.warning("credentials from %s: %s; the old ones are kept", self._source.name, error)

    def _fetched(self) -> Keys:
        keys = self._source.fetch()
        if self._expired(keys):
            raise InvalidKeys("the keys it gives have expired")
        return keys

    def _valid(self) -> Keys:
        keys = self._keys
        if keys is None or self._expired(keys):
            raise CredentialsExpired(f"credentials from {self._source.name}: expired, and there are no newer ones")
        return keys
