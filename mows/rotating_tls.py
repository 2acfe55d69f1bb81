"""TLS of the REST API: each connection is made with the certificate, key and authority that the files hold then.

Connections that stand keep the certificate they were made with, so a rotation breaks none.
"""

from __future__ import annotations

import ssl
from typing import Self

from mows.config import Tls
from peer.rpc.changing_files import ChangingFiles


class RotatingContext(ssl.SSLContext):
    """For a server's listening socket. Raises OSError at the start, when the files cannot be used.

    asyncio asks the context it was given for each connection's end of TLS; this one passes that on to the newest.
    """

    def __new__(cls, _tls: Tls, _setting: str) -> Self:
        """A context of its own is only what asyncio wants to see."""
        return super().__new__(cls, ssl.PROTOCOL_TLS_SERVER)

    def __init__(self, tls: Tls, setting: str) -> None:
        paths = [path for path in (tls.cert, tls.key, tls.ca) if path is not None]
        self._files = ChangingFiles(paths, lambda: _context(tls), setting)

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,  # noqa: FBT001, FBT002 as the base class
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """See `ssl.SSLContext`."""
        return self._files.current().wrap_bio(incoming, outgoing, server_side, server_hostname, session)


def _context(tls: Tls) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls.cert, tls.key, password="")
    if tls.ca is not None:
        context.load_verify_locations(tls.ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context
