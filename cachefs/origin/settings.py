"""What can be set about an origin: frozen values with unit, default and reason, read once at the edge.

`metadata["doc"]` of each field is the text that the configuration reference prints.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

CredentialProvider = Literal["anonymous", "static", "env", "file", "process", "ecs_ram_role"]
SignatureVersion = Literal["v4", "v1"]
Addressing = Literal["auto", "path", "virtual", "cname"]

METADATA_SERVICE_URL = "http://100.100.100.200"
"""Link-local address of the ECS instance metadata service, the same in every region (Alibaba Cloud documentation)."""


def _choose(key: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{key}: {value!r} is not one of {', '.join(choices)}")


@dataclass(frozen=True, slots=True)
class CredentialSettings:
    """Where the keys come from. Raises ValueError, naming the key, when a provider lacks what it needs."""

    provider: CredentialProvider = field(
        default="env",
        metadata={
            "doc": "anonymous (public buckets), static (the three keys below), env (ALIBABA_CLOUD_ACCESS_KEY_ID, "
            "..._ACCESS_KEY_SECRET, ..._SECURITY_TOKEN or the same with OSS_ in front), file, process or ecs_ram_role."
        },
    )
    access_key_id: str = field(default="", metadata={"doc": "For static."})
    access_key_secret: str = field(default="", repr=False, metadata={"doc": "For static. Never logged."})
    security_token: str = field(default="", repr=False, metadata={"doc": "For static: the token of an STS session."})
    path: str = field(
        default="",
        metadata={
            "doc": "For file: a JSON document with AccessKeyId, AccessKeySecret and, for temporary keys, SecurityToken "
            "and Expiration (UTC, ISO 8601). Read again when it changes and when less than 20 minutes remain."
        },
    )
    command: str = field(
        default="",
        metadata={"doc": "For process: a command line, run without a shell, that prints the same JSON document."},
    )
    role: str = field(
        default="",
        metadata={"doc": "For ecs_ram_role: the name of the RAM role. Empty: the one attached to the instance."},
    )
    metadata_url: str = field(
        default=METADATA_SERVICE_URL, metadata={"doc": "For ecs_ram_role: where the metadata service answers."}
    )

    def __post_init__(self) -> None:
        _choose("credentials.provider", self.provider, get_args(CredentialProvider))
        needed = {"static": ("access_key_id", "access_key_secret"), "file": ("path",), "process": ("command",)}
        for key in needed.get(self.provider, ()):
            if not getattr(self, key):
                raise ValueError(f"credentials.{key}: required by the provider {self.provider!r}")


@dataclass(frozen=True, slots=True)
class NasSettings:
    """How ``nas://server/export`` is mounted."""

    mount_command: tuple[str, ...] = field(
        default=("mount", "-t", "nfs"),
        metadata={"doc": "The host's mount helper; `-o OPTIONS SERVER:PATH TARGET` is appended."},
    )
    mount_options: str = field(
        default="ro,nosuid,nodev,noexec,soft,timeo=100,retrans=2,nconnect=4",
        metadata={
            "doc": "`soft` with `timeo` (tenths of a second) lets a read of a dead server end in an error instead of "
            "hanging in the kernel for ever; `nconnect` opens several TCP connections."
        },
    )
    unmount_command: tuple[str, ...] = field(
        default=("umount", "-l"),
        metadata={"doc": "The target is appended. Lazy, so that a dead server cannot block the stop of the daemon."},
    )
    mount_timeout_seconds: float = field(
        default=30.0, metadata={"doc": "How long either command may take before it is killed."}
    )
    directory: str = field(
        default="", metadata={"doc": "Where the source is on this machine already. Empty: it is mounted for us."}
    )


@dataclass(frozen=True, slots=True)
class OriginSettings:
    """How to reach one origin. Raises ValueError, naming the key, for a value that cannot be meant."""

    endpoint: str = field(
        default="",
        metadata={
            "doc": "OSS, S3, GCS, Azure: URL of the service, for example "
            "http://oss-cn-hangzhou-internal.aliyuncs.com. Without a scheme it means https. Empty: the public "
            "endpoint of the region."
        },
    )
    region: str = field(
        default="",
        metadata={"doc": "For example cn-hangzhou; part of a V4 signature. Empty: taken from an oss-REGION endpoint."},
    )
    credentials: CredentialSettings = field(
        default_factory=CredentialSettings, metadata={"doc": "Where keys come from."}
    )
    signature_version: SignatureVersion = field(
        default="v4",
        metadata={"doc": "v4 or v1. OSS accepts v1 only from accounts and buckets made before 2025."},
    )
    addressing: Addressing = field(
        default="auto",
        metadata={
            "doc": "path (http://endpoint/bucket/key), virtual (http://bucket.endpoint/key), cname (the endpoint is "
            "the bucket's own name) or auto: path for an IP address or localhost, virtual otherwise."
        },
    )
    connect_timeout_seconds: float = field(
        default=5.0, metadata={"doc": "One TCP and TLS handshake. Inside a region it takes milliseconds."}
    )
    idle_timeout_seconds: float = field(
        default=10.0,
        metadata={"doc": "Longest silence in one request before it fails as retryable; its deadline bounds it too."},
    )
    request_timeout_seconds: float = field(
        default=30.0,
        metadata={"doc": "S3, GCS, Azure, HTTP: the whole of one request; their client cannot bound a silence."},
    )
    max_connections: int = field(
        default=32,
        metadata={"doc": "Connections to this origin, and so requests at once; each keeps a buffer of 1 MiB."},
    )
    symlink_roots: tuple[str, ...] = field(
        default=(),
        metadata={
            "doc": "file: and nas: only. Directories outside the source that symbolic links in it may lead into, for "
            "example the hub cache that a snapshot directory links to. Other links out of the source are ignored."
        },
    )
    nas: NasSettings = field(default_factory=NasSettings, metadata={"doc": "How nas:// is mounted."})
    options: Mapping[str, str] = field(
        default_factory=dict,
        repr=False,  # may hold keys
        metadata={
            "doc": "S3, GCS, Azure: configuration of the obstore client. Other schemes: arguments of the fsspec "
            "file system."
        },
    )

    def __post_init__(self) -> None:
        _choose("signature_version", self.signature_version, get_args(SignatureVersion))
        _choose("addressing", self.addressing, get_args(Addressing))
        for key in ("connect_timeout_seconds", "idle_timeout_seconds", "request_timeout_seconds", "max_connections"):
            if getattr(self, key) <= 0:
                raise ValueError(f"{key}: {getattr(self, key)} is not above 0")
