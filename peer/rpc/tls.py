"""Mutual TLS from three files that are read again when they change, on both sides.

A certificate that was replaced counts for the connections made from then on; those that stand keep the one they were
made with, as is usual. A file that cannot be read leaves the last good certificate in use on the side that answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import grpc

from cachefs.errors import PeerRefused
from peer.rpc.changing_files import ChangingFiles, Stamp, stamp_of


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """The certificate and key that this node shows, and the authority that it accepts others' from. PEM. Any thread."""

    cert: Path
    key: Path
    ca: Path

    def stamp(self) -> Stamp:
        """What differs after a change. Raises OSError."""
        return stamp_of((self.cert, self.key, self.ca))

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
        files = ChangingFiles((self.cert, self.key, self.ca), self.configuration, "peers.tls")
        return grpc.dynamic_ssl_server_credentials(
            files.current(),
            files.newer,  # type: ignore[arg-type]  # the stubs do not know that None is allowed: "no change"
            require_client_authentication=True,
        )

    def configuration(self) -> grpc.ServerCertificateConfiguration:
        """The files as they are now, for a server. Raises OSError."""
        pair = (self.key.read_bytes(), self.cert.read_bytes())
        return grpc.ssl_server_certificate_configuration([pair], root_certificates=self.ca.read_bytes())
