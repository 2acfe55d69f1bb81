"""How libtorrent is set up, so that it shows its best."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

KIB = 1024
ENCRYPTION_DISABLED = 2
PREFER_TCP = 0
FIXED_SLOTS = 0

COMMON: Mapping[str, int | bool] = MappingProxyType(
    {
        # Peers are known: nobody is looked for.
        "enable_dht": False,
        "enable_lsd": False,
        "enable_upnp": False,
        "enable_natpmp": False,
        # Plain TCP: uTP yields to other traffic, and encryption costs.
        "enable_outgoing_utp": False,
        "enable_incoming_utp": False,
        "mixed_mode_algorithm": PREFER_TCP,
        "out_enc_policy": ENCRYPTION_DISABLED,
        "in_enc_policy": ENCRYPTION_DISABLED,
        # Everybody may take from everybody, from the first second on.
        "choking_algorithm": FIXED_SLOTS,
        "unchoke_slots_limit": -1,
        "unchoke_interval": 1,
        "allow_multiple_connections_per_ip": True,
        "connections_limit": 8000,
        "connection_speed": 500,
        "smooth_connects": False,
        "torrent_connect_boost": 255,
        "peer_turnover": 0,
        "min_reconnect_time": 1,
        "listen_queue_size": 3000,
        # A piece is asked of several peers at once, and no more than a second of it: what waits in one peer's queue
        # cannot be had from another.
        "request_queue_time": 1,
        "whole_pieces_threshold": 0,
        "max_allowed_in_request_queue": 4000,
        "send_buffer_watermark": 3 * 1024 * 1024,
        "send_buffer_watermark_factor": 150,
        "send_buffer_low_watermark": 256 * 1024,
        "max_queued_disk_bytes": 64 * 1024 * 1024,
        "file_pool_size": 500,
        "aio_threads": 4,
        "hashing_threads": 2,
        # The origin stands on a private address, which libtorrent takes for an attack.
        "ssrf_mitigation": False,
        "strict_end_game_mode": True,
    }
)


@dataclass(frozen=True, slots=True)
class Tuning:
    """One way to set libtorrent up."""

    piece_bytes: int
    settings: Mapping[str, int | bool] = field(default_factory=dict)
    """On top of COMMON."""
    super_seeding: bool = False

    @property
    def pack(self) -> dict[str, int | bool]:
        """The whole settings_pack."""
        return {**COMMON, **self.settings}


TUNED: Mapping[str, Tuning] = MappingProxyType(
    {
        "web seed": Tuning(
            256 * KIB,
            {"max_out_request_queue": 40, "urlseed_max_request_bytes": 256 * KIB, "urlseed_pipeline_size": 2},
        ),
        "seeder": Tuning(1024 * KIB, {"max_out_request_queue": 40}),
        "warm nodes": Tuning(512 * KIB, {"max_out_request_queue": 200}),
    }
)
"""The best of what was tried, by who gives the first bytes."""
