"""How libtorrent is set up, so that it shows its best.

Tried in the lab with links of 200 Mbit/s, a model of 128 MiB on 4 nodes and of 256 MiB on 4 to 8; figures are the last
finish by the bound. Other work ran on the machine: differences below 0.05 say nothing.

- Origin with one link's rate for 4 nodes, a seeder in its place, pieces of 512 KiB. With queues of up to 1,500 blocks,
  as libtorrent advises for speed: 2.05, and 1.9 models leave the origin, since every node has seconds of requests
  waiting there for pieces that its neighbours have meanwhile. With a queue of one second (`request_queue_time`): 1.68.
  When pieces are not taken whole from one peer (`whole_pieces_threshold` 0): 1.56 at 128 MiB, 1.42 at 256 MiB. With at
  most 40 blocks: 1.36.
- Pieces of 256 KiB, 512 KiB, 1 MiB, 2 MiB: 1.80, 1.7, 1.64, 1.73 with whole pieces, and 1.35 for 1 MiB without.
- Super-seeding sends each byte about once (1.01 to 1.03) but leaves the origin idle: 3.4 with pieces of 512 KiB and
  1 MiB, 2.2 with 4 MiB. Looser end game 1.79, suggested pieces 2.2, announcing pieces before they are checked 1.70:
  no better than without.
- The HTTP server as web seed, asked for whole runs of pieces (libtorrent's default): 1.58. One MiB a request, two at a
  time: 1.32; a piece of 256 KiB a request: 1.22 on 4 nodes, 1.29 on 8.
- 50 Mbit/s to each of 8 nodes: web seed 1.19 to 1.21, a seeder 1.28 to 1.30.
- One warm node, 7 that join: 1.41 to 1.44 with any queue of 200 blocks or more and pieces of 256 or 512 KiB; 1.49 with
  1 MiB, 1.56 with 128 KiB, 2.25 by super-seeding.
"""

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
            {"max_out_request_queue": 40, "urlseed_max_request_bytes": 256 * KIB, "urlseed_pipeline_size": 1},
        ),
        "seeder": Tuning(1024 * KIB, {"max_out_request_queue": 40}),
        "warm nodes": Tuning(256 * KIB, {"max_out_request_queue": 1000}),
    }
)
"""The best of what was tried, by who gives the first bytes."""
