"""Mutual TLS from three files that are read again when they change, on both sides.

A certificate that was replaced counts for the connections made from then on; those that stand keep the one they were
made with, as is usual. A file that cannot be read leaves the last good certificate in use on the side that answers.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from pathlib import Path

import grpc

from cachefs.errors import PeerRefused

log = logging.getLogger(__name__)

Stamp = tuple[tuple[int, int, int], ...]
"""Inode, size and time of change of each file: equal as long as nobody touched them."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """The certificate and key that this node shows, and the authority that it accepts others' from. PEM. Any thread."""

    cert: Path
    key: Path
    ca: Path

    def stamp(self) -> Stamp:
        """What differs after a change. Raises OSError."""
        found = [path.stat() for path in (self.cert, self.key, self.ca)]
        return tuple((stat.st_ino, stat.st_size, stat.st_mtime_ns) for stat in found)

    def client_credentials(self) -> grpc.ChannelCredentials:
        """For one channel. Raises PeerRefused when a file cannot be read: nobody would let this node in."""
        try:
            return grpc.ssl_channel_credentials(
                root_certificates=self.ca.read_bytes(),
                private_key=self.key.read_bytes(),
                certificate_chain=self.cert.read_bytes(),
            )
        except OSError as error:
            raise PeerRefused(f"peers.tls: {error}") from error

    def server_credentials(self) -> grpc.ServerCredentials:
        """For one port: each connection is made with the files as they are then. Raises OSError at the start."""
        return _Answering(self).credentials()

    def configuration(self) -> grpc.ServerCertificateConfiguration:
        """The files as they are now, for a server. Raises OSError."""
        pair = (self.key.read_bytes(), self.cert.read_bytes())
        return grpc.ssl_server_certificate_configuration([pair], root_certificates=self.ca.read_bytes())


class _Answering:
    """Hands gRPC the certificate before each handshake, on threads of gRPC."""

    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        self._lock = threading.Lock()  # guards the stamp
        self._stamp = files.stamp()

    def credentials(self) -> grpc.ServerCredentials:
        return grpc.dynamic_ssl_server_credentials(
            self._files.configuration(),
            self._newer,  # type: ignore[arg-type]  # the stubs do not know that None is allowed: "no change"
            require_client_authentication=True,
        )

    def _newer(self) -> grpc.ServerCertificateConfiguration | None:
        """The changed certificate; None: use the last one."""
        with self._lock:
            try:
                stamp = self._files.stamp()
                if stamp == self._stamp:
                    return None
                configuration = self._files.configuration()
            except OSError as error:
                log.error("peers.tls: %s: the last certificate stays in use", error)
                return None
            self._stamp = stamp
            return configuration
