"""From the configuration to the settings of the parts: every key arrives."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import pytest

from cachefs.errors import InvalidSource
from cachefs.fetch import FetchSettings
from cachefs.origin import OriginSettings, parse_source
from cachefs.store import TierSettings
from mows import settings
from mows.config import parse_config
from mows.mount import MountSettings
from mows.peer_settings import peer_settings
from peer.settings import DiscoverySettings, PeerLimits, PeerSettings, SecuritySettings

TEXT = """
cache: {chunk_bytes: 1MiB, tiers: [{path: /t, capacity: 1GiB, min_free: 1MiB}]}
fetch: {memory: 64MiB, max_concurrency: 4, read_deadline: 10s, read_ahead: 1MiB, stop_timeout: 1s}
fuse: {threads: 2, passthrough: off, read_ahead: 2MiB, allow_other: false}
mounts: {refresh: null, drain: 3s}
prewarm: {lease: 2h}
node: {id: node-a, zone: z1}
peers:
  listen: 0.0.0.0:9302
  advertise: 10.0.0.1:9302
  discovery: {dns: "mows-peers:9302"}
  token_file: /etc/token
  tls: {cert: /c, key: /k, ca: /a}
  uploads: 5
  downloads: 4
  connections: 6
  bytes_in_flight: 7MiB
  uplink: 100MiB
  lane: false
origins:
  - match: oss://bucket/
    endpoint: http://127.0.0.1:1
    region: cn-test
    signature_version: v1
    addressing: path
    connect_timeout: 1s
    idle_timeout: 2s
    max_connections: 3
    credentials: {provider: static, access_key_id: AK, access_key_secret: SK, security_token: ST}
  - match: "nas://"
    symlink_roots: [/hub]
    nas: {options: ro, timeout: 4s}
    options: {key: value}
  - match: "nas://mounted/export/"
    nas: {directory: /mnt/nas}
  - match: "nas://mounted/half"
    nas: {directory: /mnt/half}
  - match: "s3://"
    credentials: {provider: ecs_ram_role, role: r, metadata_url: "http://127.0.0.1:2"}
"""
CONFIG = parse_config(TEXT, "mows.yaml")


def test_tiers() -> None:
    assert settings.tier_settings(CONFIG) == [TierSettings(Path("/t"), 1 << 30, 1 << 20)]


def test_fetching() -> None:
    fetch = settings.fetch_settings(CONFIG)
    assert (fetch.memory_bytes, fetch.max_concurrency, fetch.initial_concurrency) == (64 << 20, 4, 4)
    assert (fetch.read_deadline_seconds, fetch.attempt_seconds, fetch.stop_seconds) == (10, 10, 1)
    assert fetch.read_ahead_bytes == 1 << 20


def test_the_defaults_of_the_file_are_those_of_the_parts() -> None:
    plain = parse_config("cache: {tiers: [{path: /t, capacity: 1GiB}]}\norigins: [{match: 'oss://'}]", "mows.yaml")
    assert settings.fetch_settings(plain) == FetchSettings()
    assert settings.origin_settings(plain, parse_source("oss://bucket/")) == OriginSettings()
    with_peers = parse_config(
        "cache: {tiers: [{path: /t, capacity: 1GiB}]}\npeers: {listen: '127.0.0.1:9302'}", "mows.yaml"
    )
    peers = peer_settings(with_peers)
    assert peers is not None
    assert peers == PeerSettings(
        node_id=with_peers.node.id, zone="", chunk_bytes=8 << 20, version=version("mows"), listen="127.0.0.1:9302"
    )


def test_peers() -> None:
    peers = peer_settings(CONFIG)
    assert peers is not None
    assert (peers.node_id, peers.zone, peers.chunk_bytes) == ("node-a", "z1", 1 << 20)
    assert (peers.listen, peers.advertise, peers.lane) == ("0.0.0.0:9302", "10.0.0.1:9302", False)
    assert peers.discovery == DiscoverySettings(dns="mows-peers:9302")
    assert peers.security == SecuritySettings(
        token_file=Path("/etc/token"), tls_cert=Path("/c"), tls_key=Path("/k"), tls_ca=Path("/a")
    )
    assert peers.limits == PeerLimits(
        uploads=5, downloads=4, connections=6, bytes_in_flight=7 << 20, uplink_bytes_per_second=100 << 20
    )


@pytest.mark.parametrize(
    ("discovery", "settled"),
    [
        (
            "{static: ['10.0.0.2:9302', '[fd00::2]:9302']}",
            DiscoverySettings(static=("10.0.0.2:9302", "[fd00::2]:9302")),
        ),
        ("{redis: 'redis://:secret@host:6379/0'}", DiscoverySettings(redis="redis://:secret@host:6379/0")),
        ("null", DiscoverySettings()),
    ],
)
def test_ways_to_find_peers(discovery: str, settled: DiscoverySettings) -> None:
    text = f"cache: {{tiers: [{{path: /t, capacity: 1}}]}}\npeers: {{listen: '127.0.0.1:9302', discovery: {discovery}}}"
    peers = peer_settings(parse_config(text, "mows.yaml"))
    assert peers is not None
    assert peers.discovery == settled


def test_a_node_without_an_address_for_peers_has_none() -> None:
    assert peer_settings(parse_config("cache: {tiers: [{path: /t, capacity: 1}]}", "mows.yaml")) is None


def test_kernel_mounts() -> None:
    options = settings.mount_options(CONFIG)
    assert (options.threads, options.passthrough, options.read_ahead_bytes, options.allow_other) == (
        2,
        False,
        2 << 20,
        False,
    )
    assert settings.mount_settings(CONFIG) == MountSettings(lease_seconds=7200, refresh_seconds=0, drain_seconds=3)


def test_origins() -> None:
    found = settings.origin_settings(CONFIG, parse_source("oss://bucket/prefix/"))
    assert (found.endpoint, found.region, found.signature_version) == ("http://127.0.0.1:1", "cn-test", "v1")
    assert (found.addressing, found.max_connections) == ("path", 3)
    assert (found.connect_timeout_seconds, found.idle_timeout_seconds) == (1, 2)
    keys = found.credentials
    assert (keys.provider, keys.access_key_id, keys.access_key_secret, keys.security_token) == (
        "static",
        "AK",
        "SK",
        "ST",
    )
    nas = settings.origin_settings(CONFIG, parse_source("nas://server/export"))
    assert (nas.nas.mount_options, nas.nas.mount_timeout_seconds) == ("ro", 4)
    assert (nas.symlink_roots, nas.options) == (("/hub",), {"key": "value"})
    assert nas.nas.directory == ""
    role = settings.origin_settings(CONFIG, parse_source("s3://b/")).credentials
    assert (role.provider, role.role, role.metadata_url) == ("ecs_ram_role", "r", "http://127.0.0.1:2")
    assert settings.origin_settings(CONFIG, parse_source("gs://b/")) == OriginSettings()


def test_a_rule_that_cannot_work_names_itself() -> None:
    config = parse_config(
        "cache: {tiers: [{path: /t, capacity: 1GiB}]}\norigins: [{match: 'oss://', idle_timeout: 0}]", "mows.yaml"
    )
    with pytest.raises(InvalidSource, match="origins: oss://: idle_timeout"):
        settings.origin_settings(config, parse_source("oss://bucket/"))


@pytest.mark.parametrize(
    ("source", "directory"),
    [("nas://mounted/export", "/mnt/nas"), ("nas://mounted/export/a/b/", "/mnt/nas/a/b"), ("nas://mounted/x", "")],
)
def test_a_nas_that_the_node_has_mounted_already(source: str, directory: str) -> None:
    assert settings.origin_settings(CONFIG, parse_source(source)).nas.directory == directory


def test_a_rule_for_half_a_name_has_no_directory() -> None:
    assert settings.origin_settings(CONFIG, parse_source("nas://mounted/half/x")).nas.directory == "/mnt/half/x"
    with pytest.raises(InvalidSource, match="does not end where a directory"):
        settings.origin_settings(CONFIG, parse_source("nas://mounted/halfway"))
