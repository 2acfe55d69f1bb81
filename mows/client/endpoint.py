"""Where a daemon listens, and what it wants to see before it answers."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path

from mows.client.errors import CredentialsUnreadable

DEFAULT_SOCKET = Path("/run/mows/mows.sock")
"""As `api.socket` in the configuration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """`url` if given, such as ``https://node-a:9301``; else the Unix `socket`, which needs neither token nor TLS."""

    socket: Path = DEFAULT_SOCKET
    url: str | None = None
    token: str | None = field(default=None, repr=False)
    token_file: Path | None = None
    """Read before each request, so that a token may be replaced at any time. Goes before `token`."""
    ca_file: Path | None = None
    """Who may have signed the daemon's certificate. None: those the system trusts."""
    cert_file: Path | None = None
    """The caller's own certificate, for a daemon that asks for one; with `key_file` unless the key is in there."""
    key_file: Path | None = None

    def __str__(self) -> str:
        return self.url or str(self.socket)

    def headers(self) -> dict[str, str]:
        """Of each request. Raises CredentialsUnreadable."""
        token = self._token()
        return {"Authorization": f"Bearer {token}"} if token else {}

    def tls(self) -> ssl.SSLContext | bool:
        """What to hold the daemon's certificate against; False where there is none. Raises CredentialsUnreadable."""
        if self.url is None or not self.url.startswith("https:"):
            return False  # a context costs 30 ms
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
            if self.cert_file is not None:
                context.load_cert_chain(self.cert_file, self.key_file)
        except OSError as error:  # ssl.SSLError is one
            names = ", ".join(str(path) for path in (self.ca_file, self.cert_file, self.key_file) if path)
            raise CredentialsUnreadable(
                f"certificates: {names}: {error}", hint="name readable PEM files that belong together"
            ) from error
        return context

    def _token(self) -> str | None:
        """The bearer token, without the newline editors add."""
        if self.token_file is None:
            return self.token
        try:
            return self.token_file.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise CredentialsUnreadable(
                f"token file: {self.token_file}: {error}",
                hint="name a file that this user may read",
            ) from error
