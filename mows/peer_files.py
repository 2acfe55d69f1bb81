"""The files that peers and API callers know this node by, looked at before a daemon starts: a wrong one stops it.

Only what can never work is refused here. A certificate that has run out is not: it may be replaced while the daemon
runs, and until then every byte comes from the origin.
"""

from __future__ import annotations

import ssl
from pathlib import Path

from mows.config import ApiSection, PeersSection, Tls
from mows.errors import ConfigError
from peer.rpc.token_file import sendable, tokens_in


def check_peer_files(peers: PeersSection) -> None:
    """Blocks on the disk. Raises ConfigError, which names the key, the file and the remedy."""
    if peers.token_file is not None:
        check_token(peers.token_file)
    if peers.tls is not None:
        check_tls(peers.tls)


def check_api_files(api: ApiSection) -> None:
    """As `check_peer_files`."""
    if api.token_file is not None:
        check_token(api.token_file, "api")
    if api.tls is not None:
        check_tls(api.tls, "api")


def check_token(path: Path, section: str = "peers") -> None:
    """Raises ConfigError unless there is a token in the file."""
    hint = "write one token a line, for example: openssl rand -hex 32"
    try:
        tokens = tokens_in(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{section}.token_file: {path}: {error.strerror}", hint=hint) from error
    if not tokens:
        raise ConfigError(f"{section}.token_file: {path}: holds no token", hint=hint)
    if not all(map(sendable, tokens)):
        raise ConfigError(f"{section}.token_file: {path}: a token has a space or is not ASCII", hint=hint)


def check_tls(tls: Tls, section: str = "peers") -> None:
    """Raises ConfigError unless the files can be read, hold PEM, and key and certificate belong together."""
    for key, path in (("cert", tls.cert), ("key", tls.key), ("ca", tls.ca)):
        if path is not None:
            _check_readable(f"{section}.tls.{key}", path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(tls.cert, tls.key, password="")
    except ssl.SSLError as error:
        raise ConfigError(
            f"{section}.tls.cert, {section}.tls.key: {tls.cert}, {tls.key}: {_reason(error)}",
            hint="give a certificate and its own private key, both PEM, the key without a passphrase",
        ) from error
    if tls.ca is None:
        return
    try:
        context.load_verify_locations(tls.ca)
    except ssl.SSLError as error:
        raise ConfigError(
            f"{section}.tls.ca: {tls.ca}: {_reason(error)}", hint="give the certificate of the authority, PEM"
        ) from error


def _check_readable(key: str, path: Path) -> None:
    try:
        path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{key}: {path}: {error.strerror}", hint="name a file the daemon's user can read") from error


def _reason(error: ssl.SSLError) -> str:
    """``key values mismatch`` instead of OpenSSL's name, number and source line."""
    return (error.reason or "cannot be used").lower().replace("_", " ")
