"""From the configuration to the settings of the parts: every key arrives."""

from __future__ import annotations

from pathlib import Path

import pytest

from cachefs.errors import InvalidSource
from cachefs.fetch import FetchSettings
from cachefs.origin import OriginSettings, parse_source
from cachefs.store import TierSettings
from mows import settings
from mows.config import parse_config
from mows.mount import MountSettings

TEXT = """
cache: {chunk_bytes: 1MiB, tiers: [{path: /t, capacity: 1GiB, min_free: 1MiB}]}
fetch: {memory: 64MiB, max_concurrency: 4, read_deadline: 10s, read_ahead: 1MiB, stop_timeout: 1s}
fuse: {threads: 2, passthrough: off, read_ahead: 2MiB, allow_other: false}
mounts: {refresh: null, drain: 3s}
prewarm: {lease: 2h}
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
    role = settings.origin_settings(CONFIG, parse_source("s3://b/")).credentials
    assert (role.provider, role.role, role.metadata_url) == ("ecs_ram_role", "r", "http://127.0.0.1:2")
    assert settings.origin_settings(CONFIG, parse_source("gs://b/")) == OriginSettings()


def test_a_rule_that_cannot_work_names_itself() -> None:
    config = parse_config(
        "cache: {tiers: [{path: /t, capacity: 1GiB}]}\norigins: [{match: 'oss://', idle_timeout: 0}]", "mows.yaml"
    )
    with pytest.raises(InvalidSource, match="origins: oss://: idle_timeout"):
        settings.origin_settings(config, parse_source("oss://bucket/"))
