"""What peers and API callers know this node by: its tokens, and its certificates, tried in a connection to itself."""

from __future__ import annotations

import ssl
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from cli.doctor.finding import Finding, fail, ok, warn
from cli.units import duration_text
from mows.config import ApiSection, PeersSection, Tls
from mows.errors import ConfigError
from mows.peer_files import check_tls, check_token
from mows.units import split_address

SOON_SECONDS = 7 * 24 * 3600
"""Certificates are renewed weeks before they run out: one that has a week left is not being renewed."""

_OF = {"peers": "peer", "api": "API"}
_RENEW = "renew it; the daemon reads it again when it changes"

_ROUNDS = 4
"""A handshake of TLS 1.2 needs two from each end, one of 1.3 fewer."""


def of_peers(peers: PeersSection) -> Iterator[Finding]:
    """The files of `peers`. Blocks on the disk."""
    if peers.token_file is not None:
        yield token("peers", peers.token_file)
    address = peers.advertise or peers.listen
    if peers.tls is not None and address is not None:
        yield certificate("peers", peers.tls, time.time(), host=split_address(address)[0])


def of_api(api: ApiSection) -> Iterator[Finding]:
    """The files of `api`. Blocks on the disk."""
    if api.token_file is not None:
        yield token("api", api.token_file)
    if api.tls is not None:
        yield certificate("api", api.tls, time.time())


def token(section: str, path: Path) -> Finding:
    """Whether there is one, and for whom."""
    name = f"{_OF[section]} token"
    try:
        check_token(path, section)
    except ConfigError as error:
        return fail(name, str(error), error.hint)
    if path.stat().st_mode & stat.S_IROTH:
        remedy = f"chmod o-r {path}; for a Kubernetes secret, defaultMode: 0400"
        return warn(name, f"{path} can be read by every user of this node", remedy)
    return ok(name, f"{path} can be used")


def certificate(section: str, tls: Tls, now: float, *, host: str | None = None) -> Finding:
    """Whether it can be used, and for how long; `now` in seconds since 1970.

    With a `host`, also whether others accept it for that, from a server and from a client. Without, `tls.ca` is for
    callers, and with what authority and for which name these look at the certificate is not known here.
    """
    name = f"{_OF[section]} certificate"
    try:
        check_tls(tls, section)
        ends_at = handshake(tls, host)
    except ConfigError as error:
        return fail(name, str(error), error.hint)
    except ssl.SSLCertVerificationError as error:
        sign = f"sign one with the authority of {section}.tls.ca for {host}, for servers and clients"
        return fail(name, f"{tls.cert}: {error.verify_message}", sign if host else _RENEW)
    left = f"{tls.cert} is good for {duration_text(ends_at - now)}"
    return warn(name, left, _RENEW) if ends_at - now < SOON_SECONDS else ok(name, left)


def handshake(tls: Tls, host: str | None) -> float:
    """Connect this node to itself, in memory. When the certificate runs out. Raises SSLCertVerificationError.

    Without a `host` the certificate vouches for itself, and only as a server's.
    """
    server, client = _context(ssl.PROTOCOL_TLS_SERVER, tls), _context(ssl.PROTOCOL_TLS_CLIENT, tls)
    if host is None:
        client.check_hostname = False
        client.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN  # it need not be an authority for that
        client.load_verify_locations(tls.cert)
    else:
        server.verify_mode = ssl.CERT_REQUIRED
        for context in (server, client):
            context.load_verify_locations(tls.ca)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    at_server = server.wrap_bio(to_server, to_client, server_side=True)
    at_client = client.wrap_bio(to_client, to_server, server_hostname=host)
    for _ in range(_ROUNDS):
        _step(at_client)
        _step(at_server)
    shown = at_client.getpeercert()
    assert shown is not None
    return float(ssl.cert_time_to_seconds(str(shown["notAfter"])))


def _context(end: ssl._SSLMethod, tls: Tls) -> ssl.SSLContext:
    context = ssl.SSLContext(end)
    context.load_cert_chain(tls.cert, tls.key)
    return context


def _step(end: ssl.SSLObject) -> None:
    try:
        end.do_handshake()
    except ssl.SSLWantReadError:
        return
