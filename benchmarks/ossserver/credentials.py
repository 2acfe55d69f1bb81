"""Who may sign: permanent access keys, and temporary ones (STS) with a token and an end."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace

from .errors import OssError


@dataclass(frozen=True, slots=True)
class StsToken:
    """A temporary credential; ``expires_at`` in Unix seconds of the server's clock."""

    access_key_id: str
    access_key_secret: str
    security_token: str
    expires_at: float


class Accounts:
    """The credentials the server knows. Thread-safe."""

    def __init__(self, access_keys: Mapping[str, str]) -> None:
        self._access_keys = dict(access_keys)
        self._tokens: dict[str, StsToken] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()  # guards _tokens

    def issue(self, expires_at: float) -> StsToken:
        """A new temporary credential that is good until then."""
        number = next(self._numbers)
        token = StsToken(f"STS.Test{number:04}", f"sts-secret-{number:04}", f"sts-token-{number:04}/+=", expires_at)
        with self._lock:
            self._tokens[token.access_key_id] = token
        return token

    def expire_all(self, now: float, *, but: str | None = None) -> None:
        """End every temporary credential issued so far, except the one whose access key id is `but`."""
        with self._lock:
            self._tokens = {
                name: token if name == but else replace(token, expires_at=now) for name, token in self._tokens.items()
            }

    def secret(self, access_key_id: str, security_token: str | None, now: float) -> str:
        """The secret to check a signature with. Raises the 403 that OSS gives for an unknown or expired credential."""
        with self._lock:
            token = self._tokens.get(access_key_id)
        if security_token is None:
            return self._permanent_secret(access_key_id)
        if token is None or token.security_token != security_token:
            raise OssError(403, "InvalidSecurityToken", "The security token you provided is invalid.")
        if token.expires_at <= now:
            message = "The security token you provided has expired."
            raise OssError(403, "SecurityTokenExpired", message, ec="0002-00000007")
        return token.access_key_secret

    def _permanent_secret(self, access_key_id: str) -> str:
        try:
            return self._access_keys[access_key_id]
        except KeyError:
            message = "The OSS Access Key Id you provided does not exist in our records."
            details = {"OSSAccessKeyId": access_key_id}
            raise OssError(403, "InvalidAccessKeyId", message, ec="0002-00000902", details=details) from None
