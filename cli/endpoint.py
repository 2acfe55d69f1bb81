"""Where the daemon is. Apart from `cli.client`, so that parsing options does not import an HTTP client."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cli.errors import Failure
from cli.exit_codes import ExitCode

DEFAULT_SOCKET = Path("/run/mows/mows.sock")
"""As `api.socket` in the configuration."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the daemon listens: `url` if given, else the Unix `socket`."""

    socket: Path
    url: str | None = None
    token_file: Path | None = None

    def __str__(self) -> str:
        return self.url or str(self.socket)

    def token(self) -> str | None:
        """The bearer token, without the newline editors add. Raises Failure when the file cannot be read."""
        if self.token_file is None:
            return None
        try:
            return self.token_file.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise Failure(
                f"token file: {self.token_file}: {error}",
                code="invalid_token_file",
                exit_code=ExitCode.USAGE,
                hint="name a readable file with --token-file or MOWS_TOKEN_FILE",
            ) from error
