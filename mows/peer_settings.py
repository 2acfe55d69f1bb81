"""From the configuration to the settings of the peers. Pure. Apart from `mows.settings`: mounts are served without."""

from __future__ import annotations

from importlib.metadata import version

from mows.config import Config, Discovery, PeersSection
from peer.settings import DiscoverySettings, PeerLimits, PeerSettings, SecuritySettings


def peer_settings(config: Config) -> PeerSettings | None:
    """This node among its peers; None: it has none."""
    peers = config.peers
    if peers.listen is None:
        return None
    return PeerSettings(
        node_id=config.node.id,
        zone=config.node.zone or "",
        chunk_bytes=config.cache.chunk_bytes,
        version=version("mows"),
        listen=peers.listen,
        advertise=peers.advertise,
        discovery=_discovery(peers.discovery),
        security=_security(peers),
        limits=_peer_limits(peers),
        lane=peers.lane,
    )


def _discovery(section: Discovery | None) -> DiscoverySettings:
    if section is None:
        return DiscoverySettings()
    return DiscoverySettings(static=section.static or (), dns=section.dns, redis=section.redis)


def _security(peers: PeersSection) -> SecuritySettings:
    tls = peers.tls
    return SecuritySettings(
        token_file=peers.token_file,
        tls_cert=tls.cert if tls else None,
        tls_key=tls.key if tls else None,
        tls_ca=tls.ca if tls else None,
    )


def _peer_limits(peers: PeersSection) -> PeerLimits:
    return PeerLimits(
        uploads=peers.uploads,
        downloads=peers.downloads,
        connections=peers.connections,
        bytes_in_flight=peers.bytes_in_flight,
        uplink_bytes_per_second=peers.uplink,
    )
