"""Configuration: frozen data, read once at the edge, documented by its own fields."""

from mows.config.csi import CsiSection
from mows.config.loading import load_config, parse_config
from mows.config.origins import CredentialSection, NasSection, OriginRule, rule_for
from mows.config.peers import Discovery, PeersSection, Tls
from mows.config.sections import (
    ApiSection,
    CacheSection,
    Config,
    DaemonSection,
    FetchSection,
    FuseSection,
    LogSection,
    MountsSection,
    NodeSection,
    PrewarmSection,
    TierSection,
    TracingSection,
)

__all__ = [
    "ApiSection",
    "CacheSection",
    "Config",
    "CredentialSection",
    "CsiSection",
    "DaemonSection",
    "Discovery",
    "FetchSection",
    "FuseSection",
    "LogSection",
    "MountsSection",
    "NasSection",
    "NodeSection",
    "OriginRule",
    "PeersSection",
    "PrewarmSection",
    "TierSection",
    "Tls",
    "TracingSection",
    "load_config",
    "parse_config",
    "rule_for",
]
