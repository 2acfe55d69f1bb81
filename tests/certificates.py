"""Certificates for tests, made by the openssl program: an authority, and nodes that it vouches for."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its private key, PEM."""

    cert: Path
    key: Path


class Authority:
    """Signs certificates; everything lies in `directory`."""

    def __init__(self, directory: Path, name: str = "ca") -> None:
        self._directory = directory
        self.pair = Pair(directory / f"{name}.pem", directory / f"{name}.key")
        _openssl("req", "-x509", *_new_key(self.pair.key), "-subj", f"/CN={name}", "-out", str(self.pair.cert))

    @property
    def cert(self) -> Path:
        """What others are given to know its certificates by."""
        return self.pair.cert

    def sign(self, name: str, *, days: int = 3650, addresses: str = "IP:127.0.0.1,DNS:localhost") -> Pair:
        """A certificate for `name`; with `days` below zero it has run out."""
        made = Pair(self._directory / f"{name}.pem", self._directory / f"{name}.key")
        request = str(self._directory / f"{name}.csr")
        names = ("-subj", f"/CN={name}", "-addext", f"subjectAltName={addresses}")
        _openssl("req", *_new_key(made.key), *names, "-out", request)
        signer = ("-CA", str(self.pair.cert), "-CAkey", str(self.pair.key), "-copy_extensions", "copy")
        _openssl("x509", "-req", "-in", request, *signer, "-days", str(days), "-out", str(made.cert))
        return made


def with_passphrase(key: Path) -> Path:
    """The same key, encrypted, beside it."""
    locked = key.with_suffix(".locked")
    _openssl("ec", "-in", str(key), "-aes128", "-passout", "pass:hush", "-out", str(locked))
    return locked


def _new_key(path: Path) -> tuple[str, ...]:
    return ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", str(path))


def _openssl(*words: str) -> None:
    subprocess.run(("openssl", *words), check=True, capture_output=True, timeout=60)
