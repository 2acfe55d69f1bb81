"""What peers know this node by: its token, and its certificate, tried as both ends of a connection."""

from __future__ import annotations

import ssl
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from cli.doctor.finding import Finding, fail, ok, warn
from cli.units import duration_text
from mows.config import PeersSection, Tls
from mows.errors import ConfigError
from mows.peer_files import check_tls, check_token
from mows.units import split_address

SOON_SECONDS = 7 * 24 * 3600
"""Certificates are renewed weeks before they run out: one that has a week left is not being renewed."""

TOKEN = "peer token"  # noqa: S105 the name of a check
CERTIFICATE = "peer certificate"

_ROUNDS = 4
"""A handshake of TLS 1.2 needs two from each end, one of 1.3 fewer."""


def probe(peers: PeersSection) -> Iterator[Finding]:
    """All checks of this module. Blocks on the disk."""
    if peers.token_file is not None:
        yield token(peers.token_file)
    address = peers.advertise or peers.listen
    if peers.tls is not None and address is not None:
        yield certificate(peers.tls, split_address(address)[0], time.time())


def token(path: Path) -> Finding:
    """Whether there is one, and for whom."""
    try:
        check_token(path)
    except ConfigError as error:
        return fail(TOKEN, str(error), error.hint)
    if path.stat().st_mode & stat.S_IROTH:
        remedy = f"chmod o-r {path}; for a Kubernetes secret, defaultMode: 0400"
        return warn(TOKEN, f"{path} can be read by every user of this node", remedy)
    return ok(TOKEN, f"{path} can be used")


def certificate(tls: Tls, host: str, now: float) -> Finding:
    """Whether others would accept it, for `host`, from a server and from a client; `now` in seconds since 1970."""
    try:
        check_tls(tls)
        ends_at = handshake(tls, host)
    except ConfigError as error:
        return fail(CERTIFICATE, str(error), error.hint)
    except ssl.SSLCertVerificationError as error:
        remedy = f"sign one with the authority of peers.tls.ca for {host}, for servers and clients"
        return fail(CERTIFICATE, f"{tls.cert}: {error.verify_message}", remedy)
    left = f"{tls.cert} is good for {duration_text(ends_at - now)}"
    if ends_at - now < SOON_SECONDS:
        return warn(CERTIFICATE, left, "renew it; the daemon reads it again when it changes")
    return ok(CERTIFICATE, left)


def handshake(tls: Tls, host: str) -> float:
    """Connect this node to itself, in memory. When the certificate runs out. Raises SSLCertVerificationError."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = _context(ssl.PROTOCOL_TLS_SERVER, tls).wrap_bio(to_server, to_client, server_side=True)
    client = _context(ssl.PROTOCOL_TLS_CLIENT, tls).wrap_bio(to_client, to_server, server_hostname=host)
    for _ in range(_ROUNDS):
        _step(client)
        _step(server)
    shown = client.getpeercert()
    assert shown is not None
    return float(ssl.cert_time_to_seconds(str(shown["notAfter"])))


def _context(end: ssl._SSLMethod, tls: Tls) -> ssl.SSLContext:
    context = ssl.SSLContext(end)
    context.load_cert_chain(tls.cert, tls.key)
    context.load_verify_locations(tls.ca)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def _step(end: ssl.SSLObject) -> None:
    try:
        end.do_handshake()
    except ssl.SSLWantReadError:
        return
