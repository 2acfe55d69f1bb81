"""The places keys come from: the configuration, the environment, a file, a program, the ECS metadata service."""

from __future__ import annotations

import os
import shlex
import subprocess
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cachefs.faults import Faults
from cachefs.origin.credentials import Credentials, KeySource
from cachefs.origin.faulty import FaultySource
from cachefs.origin.keys import InvalidKeys, Keys, parse_keys
from cachefs.origin.settings import CredentialSettings

COMMAND_TIMEOUT_SECONDS = 30.0
METADATA_TIMEOUT_SECONDS = 5.0
"""The service answers from the host itself, in milliseconds."""
METADATA_TOKEN_SECONDS = 300
"""A token is used for two requests that follow at once."""


@dataclass(frozen=True, slots=True)
class StaticKeys:
    """Keys written in the configuration."""

    keys: Keys
    name: str = "the configuration"

    def fetch(self) -> Keys:
        """See `KeySource.fetch`."""
        return self.keys

    def stamp(self) -> object:
        """Never changes."""
        return None


@dataclass(frozen=True, slots=True)
class EnvironmentKeys:
    """Keys in environment variables, under the names of Alibaba Cloud's tools or those of OSS's."""

    environment: Mapping[str, str]
    name: str = "the environment"

    def fetch(self) -> Keys:
        """See `KeySource.fetch`."""
        for prefix in ("ALIBABA_CLOUD_", "OSS_"):
            key_id, secret, token = (
                self.environment.get(f"{prefix}{suffix}", "")
                for suffix in ("ACCESS_KEY_ID", "ACCESS_KEY_SECRET", "SECURITY_TOKEN")
            )
            token = token or self.environment.get(f"{prefix}SESSION_TOKEN", "")
            if key_id and secret:
                return Keys(key_id, secret, token)
        raise InvalidKeys("neither ALIBABA_CLOUD_ACCESS_KEY_ID and _SECRET nor OSS_ACCESS_KEY_ID and _SECRET are set")

    def stamp(self) -> object:
        """The environment of a process does not change."""
        return None


@dataclass(frozen=True, slots=True)
class FileKeys:
    """Keys in a JSON file that somebody else keeps up to date."""

    path: Path

    @property
    def name(self) -> str:
        """The file's path."""
        return str(self.path)

    def fetch(self) -> Keys:
        """See `KeySource.fetch`."""
        try:
            return parse_keys(self.path.read_bytes())
        except OSError as error:
            raise InvalidKeys(error.strerror or "unreadable") from None

    def stamp(self) -> object:
        """Time and inode of the file: a rename over it counts as a change."""
        try:
            status = self.path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_ino


@dataclass(frozen=True, slots=True)
class ProcessKeys:
    """Keys that a program prints as JSON."""

    command: str

    @property
    def name(self) -> str:
        """The program, without its arguments, which may hold secrets."""
        return f"the command {shlex.split(self.command)[0]}"

    def fetch(self) -> Keys:
        """See `KeySource.fetch`."""
        try:
            done = subprocess.run(  # noqa: S603  # the command is the administrator's, and no shell reads it
                shlex.split(self.command), capture_output=True, timeout=COMMAND_TIMEOUT_SECONDS, check=True
            )
        except subprocess.CalledProcessError as error:
            raise InvalidKeys(f"exit status {error.returncode}") from None
        except subprocess.TimeoutExpired:
            raise InvalidKeys(f"no answer within {COMMAND_TIMEOUT_SECONDS:.0f} s") from None
        except OSError as error:
            raise InvalidKeys(error.strerror or "cannot be run") from None
        return parse_keys(done.stdout)

    def stamp(self) -> object:
        """A program cannot say that it would answer otherwise."""
        return None


@dataclass(frozen=True, slots=True)
class EcsRoleKeys:
    """Keys of the RAM role of an ECS instance: a token first, then the role's credentials."""

    role: str
    url: str

    @property
    def name(self) -> str:
        """The role."""
        return f"the ECS role {self.role or '(attached)'}"

    def fetch(self) -> Keys:
        """See `KeySource.fetch`."""
        lifetime = {"X-aliyun-ecs-metadata-token-ttl-seconds": str(METADATA_TOKEN_SECONDS)}
        token = self._ask("PUT", "/latest/api/token", lifetime)
        proof = {"X-aliyun-ecs-metadata-token": token}
        base = "/latest/meta-data/ram/security-credentials/"
        role = self.role or self._ask("GET", base, proof).strip()
        return parse_keys(self._ask("GET", base + role, proof))

    def stamp(self) -> object:
        """The end of the keys' life is known from the keys."""
        return None

    def _ask(self, method: str, path: str, headers: Mapping[str, str]) -> str:
        request = urllib.request.Request(self.url.rstrip("/") + path, method=method, headers=dict(headers))  # noqa: S310  # the administrator's URL
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # link-local: never by a proxy
        try:
            with opener.open(request, timeout=METADATA_TIMEOUT_SECONDS) as answer:
                text: bytes = answer.read(1 << 20)
        except urllib.error.HTTPError as error:
            with error:
                raise InvalidKeys(f"{method} {path}: status {error.code}") from None
        except OSError as error:
            raise InvalidKeys(f"{method} {path}: {error}") from None
        return text.decode("utf-8", "replace")


def open_credentials(
    settings: CredentialSettings, faults: Faults | None = None, handed: KeySource | None = None
) -> Credentials | None:
    """Credentials as `settings` say; None when requests shall not be signed. Fetches nothing yet.

    Keys that are `handed` to this process take the place of the settings.
    """
    if settings.provider == "anonymous" and handed is None:
        return None
    source = handed or _source(settings)
    return Credentials(FaultySource(source, faults), clock=faults.time) if faults else Credentials(source)


def _source(settings: CredentialSettings) -> KeySource:
    if settings.provider == "file":
        return FileKeys(Path(settings.path))
    if settings.provider == "process":
        return ProcessKeys(settings.command)
    if settings.provider == "ecs_ram_role":
        return EcsRoleKeys(settings.role, settings.metadata_url)
    if settings.provider == "static":
        return StaticKeys(Keys(settings.access_key_id, settings.access_key_secret, settings.security_token))
    return EnvironmentKeys(os.environ)
