"""Where the daemon is. Apart from `mows.client`, so that parsing options does not import an HTTP client."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

DEFAULT_SOCKET = Path("/run/mows/mows.sock")
"""As `api.socket` in the configuration."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the daemon listens: `url` if given, else the Unix `socket`."""

    socket: Path
    url: str | None = None
    token_file: Path | None = None
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    """See `mows.client.Endpoint`."""

    def __str__(self) -> str:
        return self.url or str(self.socket)
