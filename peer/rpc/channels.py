"""Options of gRPC, for both sides, each with its reason."""

from __future__ import annotations

from peer.rpc.messages import MAX_MESSAGE_BYTES
from peer.settings import PeerTimes

Options = list[tuple[str, int]]

MAX_CONCURRENT_STREAMS = 64
"""Calls on one connection: one of haves, some fetches, and room for questions."""


def _milliseconds(seconds: float) -> int:
    return max(1, round(1000 * seconds))


def server_options(times: PeerTimes) -> Options:
    """What keeps strangers, dead callers and oversized messages from costing anything for long."""
    return [
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_concurrent_streams", MAX_CONCURRENT_STREAMS),
        ("grpc.so_reuseport", 0),  # a second daemon on the port is an error, and not a way of sharing it
        ("grpc.server_handshake_timeout_ms", _milliseconds(times.handshake)),
        ("grpc.max_connection_idle_ms", _milliseconds(times.idle)),
        # A caller whose machine vanished says no goodbye: its streams end when it does not answer a ping.
        ("grpc.keepalive_time_ms", _milliseconds(times.heartbeat)),
        ("grpc.keepalive_timeout_ms", _milliseconds(times.dead_after)),
        ("grpc.http2.max_pings_without_data", 0),
    ]


def client_options(times: PeerTimes) -> Options:
    """What makes a link notice quickly, and keeps it to itself."""
    return [
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
        ("grpc.use_local_subchannel_pool", 1),  # two daemons of one process do not share connections
        ("grpc.enable_http_proxy", 0),  # a proxy of the environment is for the way out, and peers are inside
        ("grpc.enable_retries", 0),  # whom to ask again, and when, is decided above
        ("grpc.service_config_disable_resolution", 1),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.min_reconnect_backoff_ms", _milliseconds(times.connect)),  # how long one attempt may take
        ("grpc.max_reconnect_backoff_ms", 1000),
    ]
