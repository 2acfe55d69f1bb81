"""A service that this node can do without for a while: one warning when it goes, one line when it is back."""

from __future__ import annotations

import logging

LOG = logging.getLogger(__name__)


class Outage:
    """Whether something outside works. Of one loop.

    `name` is for people, `loss` says what its absence means. Neither may hold a password.
    """

    def __init__(self, name: str, loss: str) -> None:
        self.name = name
        self.error = ""
        """The failure it is in now; empty while it works."""
        self.failures = 0
        """How often it failed so far, in all."""
        self._loss = loss

    def failed(self, error: str) -> None:
        """One more failure. Only the first of an outage is logged as a warning."""
        if not self.error:
            LOG.warning("%s fails: %s; %s until it is back", self.name, error, self._loss)
        self.error = error or "unknown error"
        self.failures += 1

    def worked(self) -> None:
        """It answered."""
        if self.error:
            LOG.info("%s works again (it had failed: %s)", self.name, self.error)
        self.error = ""
