"""From the configuration to the settings of the parts. Pure."""

from __future__ import annotations

from pathlib import Path

from cachefs.errors import InvalidSource
from cachefs.fetch import FetchSettings
from cachefs.fuse import MountOptions
from cachefs.origin import CredentialSettings, NasSettings, OriginSettings, Source
from cachefs.store import TierSettings
from mows.config import Config, CredentialSection, OriginRule, rule_for
from mows.mount import MountSettings

PASSTHROUGH = {"auto": None, "on": True, "off": False}


def tier_settings(config: Config) -> list[TierSettings]:
    """The tiers, the fastest first."""
    return [TierSettings(tier.path, tier.capacity_bytes, tier.min_free_bytes) for tier in config.cache.tiers]


def fetch_settings(config: Config) -> FetchSettings:
    """How missing bytes are fetched."""
    fetch = config.fetch
    return FetchSettings(
        memory_bytes=fetch.memory,
        initial_concurrency=min(FetchSettings().initial_concurrency, fetch.max_concurrency),
        max_concurrency=fetch.max_concurrency,
        read_deadline_seconds=fetch.read_deadline,
        attempt_seconds=min(FetchSettings().attempt_seconds, fetch.read_deadline),
        read_ahead_bytes=fetch.read_ahead,
        stop_seconds=fetch.stop_timeout,
    )


def mount_options(config: Config) -> MountOptions:
    """How the kernel is served."""
    fuse = config.fuse
    return MountOptions(
        threads=fuse.threads,
        passthrough=PASSTHROUGH[fuse.passthrough],
        read_ahead_bytes=fuse.read_ahead,
        allow_other=fuse.allow_other,
    )


def mount_settings(config: Config) -> MountSettings:
    """What mounts have in common."""
    return MountSettings(
        lease_seconds=config.prewarm.lease,
        refresh_seconds=config.mounts.refresh or 0.0,
        drain_seconds=config.mounts.drain,
    )


def origin_settings(config: Config, source: Source) -> OriginSettings:
    """How to reach the origin of `source`. Raises InvalidSource when its rule cannot work."""
    rule = rule_for(config.origins, source.uri)
    if rule is None:
        return OriginSettings()
    try:
        return _origin_settings(rule, source)
    except ValueError as error:
        raise InvalidSource(
            f"origins: {rule.match}: {error}", hint="correct this entry of the configuration"
        ) from error


def _origin_settings(rule: OriginRule, source: Source) -> OriginSettings:
    return OriginSettings(
        endpoint=rule.endpoint or "",
        region=rule.region or "",
        credentials=_credentials(rule.credentials),
        signature_version=rule.signature_version,
        addressing=rule.addressing,
        connect_timeout_seconds=rule.connect_timeout,
        idle_timeout_seconds=rule.idle_timeout,
        max_connections=rule.max_connections,
        symlink_roots=tuple(map(str, rule.symlink_roots)),
        nas=_nas(rule, source),
        options=rule.options,
    )


def _credentials(section: CredentialSection) -> CredentialSettings:
    return CredentialSettings(
        provider=section.provider,
        access_key_id=section.access_key_id or "",
        access_key_secret=section.access_key_secret or "",
        security_token=section.security_token or "",
        path=section.path or "",
        command=section.command or "",
        role=section.role or "",
        metadata_url=section.metadata_url or CredentialSettings().metadata_url,
    )


def _nas(rule: OriginRule, source: Source) -> NasSettings:
    section = rule.nas
    directory = "" if section.directory is None else _inside(section.directory, rule.match, source)
    return NasSettings(mount_options=section.options, mount_timeout_seconds=section.timeout, directory=directory)


def _inside(directory: Path, match: str, source: Source) -> str:
    """Where a NAS source is, when what `match` names is at `directory`."""
    rest = source.authority.removeprefix(match.rstrip("/"))
    if rest and not rest.startswith("/"):
        raise ValueError(f"nas.directory: {match} does not end where a directory of {source.authority} ends")
    return str(directory / rest.lstrip("/"))
