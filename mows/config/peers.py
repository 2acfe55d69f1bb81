"""The `peers` section: how nodes find and trust each other.

This release checks the section but runs without peers; the daemon logs so at start, and `GET /v1/peers` says
``enabled: false``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mows.config.binding import Unusable, setting
from mows.units import RESERVED_PORTS, Address, is_loopback, split_address


@dataclass(frozen=True, slots=True)
class Tls:
    """Files of one end of TLS, PEM."""

    cert: Path = setting(doc="Certificate chain.")
    key: Path = setting(doc="Private key.")
    ca: Path | None = setting(None, doc="Authority that the other side's certificate must come from.")


@dataclass(frozen=True, slots=True)
class Discovery:
    """Where the other nodes are: exactly one of the three."""

    static: tuple[Address, ...] | None = setting(None, doc="A fixed list of peers.")
    dns: Address | None = setting(
        None, doc="A name that resolves to all peers, such as a headless Service, and a port."
    )
    redis: str | None = setting(None, doc="`redis://host:port/db`, for large fleets.")

    def __post_init__(self) -> None:
        given = [name for name in ("static", "dns", "redis") if getattr(self, name) is not None]
        if len(given) != 1:
            message = f"{' and '.join(given)} exclude each other" if given else "says neither static, dns nor redis"
            raise Unusable(given[-1] if given else "static", message, hint="give exactly one of static, dns and redis")


@dataclass(frozen=True, slots=True)
class PeersSection:
    """The exchange of chunks between nodes. Checked in this release, used from the next one."""

    listen: Address | None = setting(
        None, doc="Address of the peer service (gRPC); the bulk lane is the next port. null: no peers."
    )
    advertise: Address | None = setting(None, doc="Address that other nodes reach this one by. null: `listen`.")
    discovery: Discovery | None = setting(None, doc="How the other nodes are found.")
    token_file: Path | None = setting(None, doc="File with the token that all peers share.")
    tls: Tls | None = setting(None, doc="Mutual TLS instead of a token.")
    insecure: bool = setting(
        False,  # noqa: FBT003 a default
        doc="Allow a peer address beyond loopback with neither token nor TLS. For isolated test networks only.",
    )

    def __post_init__(self) -> None:
        if self.listen is None:
            return
        _, port = split_address(self.listen)
        if port + 1 in RESERVED_PORTS:
            raise Unusable(
                "listen",
                f"{self.listen!r} puts the bulk lane on port {port + 1}, which the platform itself occupies",
                hint="choose another port, for example 9302",
            )
        if not (self.token_file or self.tls or self.insecure or is_loopback(self.listen)):
            raise Unusable(
                "listen",
                f"{self.listen!r} can be reached from other machines, and there is neither a token nor TLS",
                hint="set peers.token_file or peers.tls; on an isolated network, peers.insecure: true",
            )

    @property
    def wanted(self) -> bool:
        """Whether the file asks for peers at all."""
        return self.listen is not None or self.discovery is not None
