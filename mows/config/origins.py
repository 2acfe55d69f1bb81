"""The `origins` section: endpoints and credentials, by the sources they belong to."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mows.config.binding import Unusable, setting
from mows.units import Seconds

Provider = Literal["anonymous", "static", "env", "file", "process", "ecs_ram_role"]


@dataclass(frozen=True, slots=True)
class CredentialSection:
    """How requests to an origin are signed."""

    provider: Provider = setting(
        "env",
        doc="`static`: the three keys below; `env`: the usual environment variables; `file`: a JSON file that "
        "something else keeps fresh; `process`: a command that prints such JSON; "
        "`ecs_ram_role`: the metadata service of the machine; `anonymous`: unsigned.",
    )
    access_key_id: str | None = setting(None, doc="For `static`.")
    access_key_secret: str | None = setting(None, secret=True, doc="For `static`. Better kept in a `file`.")
    security_token: str | None = setting(None, secret=True, doc="For `static`, with temporary keys.")
    path: str | None = setting(None, doc="For `file`: the JSON file.")
    command: str | None = setting(None, doc="For `process`: the command line, run without a shell.")
    role: str | None = setting(None, doc="For `ecs_ram_role`: the role's name. null: the one the machine has.")
    metadata_url: str | None = setting(None, doc="For `ecs_ram_role`: the metadata service. null: that of ECS.")

    def __post_init__(self) -> None:
        needed = {"static": ("access_key_id", "access_key_secret"), "file": ("path",), "process": ("command",)}
        for name in needed.get(self.provider, ()):
            if getattr(self, name) is None:
                raise Unusable(name, f"is missing, and provider {self.provider!r} needs it", hint=f"set {name}")
        allowed = {
            "static": {"access_key_id", "access_key_secret", "security_token"},
            "file": {"path"},
            "process": {"command"},
            "ecs_ram_role": {"role", "metadata_url"},
        }.get(self.provider, set())
        for name in (row.name for row in dataclasses.fields(self) if row.name != "provider"):
            if getattr(self, name) is not None and name not in allowed:
                raise Unusable(
                    name, f"means nothing to provider {self.provider!r}", hint="remove it, or change provider"
                )


@dataclass(frozen=True, slots=True)
class NasSection:
    """How `nas://server/export` is mounted by the host's NFS client."""

    options: str = setting(
        "ro,nosuid,nodev,noexec,soft,timeo=100,retrans=2,nconnect=4",
        doc="Mount options. `soft` with `timeo` (tenths of a second) lets a read from a dead server end in an error "
        "instead of hanging in the kernel for ever.",
    )
    timeout: Seconds = setting(Seconds(30), doc="The most that mounting or unmounting may take.")
    directory: Path | None = setting(
        None,
        doc="Where what `match` names, such as `nas://server/export/`, is mounted on this node already: it is read "
        "there, and the daemon mounts nothing. null: the daemon mounts the source itself, with the two keys above.",
    )


@dataclass(frozen=True, slots=True)
class OriginRule:
    """What applies to all sources that begin with `match`. The longest match wins."""

    match: str = setting(doc="Beginning of the source URI, for example `oss://bucket/` or `s3://`.")
    endpoint: str | None = setting(None, doc="URL of the service, for example the internal endpoint of the region.")
    region: str | None = setting(None, doc="Region, which version 4 signatures contain.")
    credentials: CredentialSection = setting(factory=CredentialSection, shown="provider `env`", doc="See below.")
    signature_version: Literal["v4", "v1"] = setting("v4", doc="OSS only. New accounts and buckets accept v4 alone.")
    addressing: Literal["auto", "path", "virtual", "cname"] = setting(
        "auto",
        doc="Where the bucket's name goes: into the path, before the host, or nowhere because the endpoint is the "
        "bucket's own. `auto`: path for an IP address or localhost, else virtual.",
    )
    connect_timeout: Seconds = setting(Seconds(5), doc="The most that opening a connection may take.")
    idle_timeout: Seconds = setting(Seconds(10), doc="The longest silence in an answer before it is asked for again.")
    max_connections: int = setting(
        32, doc="The most requests at once to this origin. Each connection keeps a buffer of 1 MiB."
    )
    symlink_roots: tuple[Path, ...] = setting(
        (),
        doc="`file` and `nas` only: directories outside the source that symbolic links in it may lead into, such as "
        "the hub cache behind a snapshot directory. Other links out of the source are ignored.",
    )
    nas: NasSection = setting(factory=NasSection, shown="as below", doc="See below.")
    options: Mapping[str, str] = setting(
        factory=dict,
        secret=True,
        doc="S3, GCS, Azure: options of the obstore client. Other schemes: arguments of the fsspec class.",
    )

    def __post_init__(self) -> None:
        if "://" not in self.match:
            raise Unusable("match", f"{self.match!r} is not the beginning of a URI", hint='write it as "oss://bucket/"')
        if self.max_connections < 1:
            raise Unusable(
                "max_connections", "0 connections fetch nothing", hint="use 1 or more; 32 suits most origins"
            )


def rule_for(rules: Sequence[OriginRule], uri: str) -> OriginRule | None:
    """The rule with the longest `match` that `uri` begins with; the first one among equals."""
    matching = [rule for rule in rules if uri.startswith(rule.match)]
    return max(matching, key=lambda rule: len(rule.match), default=None)
