"""The `peers` section: how nodes find and trust each other, and how much of the network they may use."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from mows.config.binding import Unusable, setting
from mows.units import RESERVED_PORTS, Address, Bytes, is_loopback, split_address

MAX_PORT = 65535


@dataclass(frozen=True, slots=True)
class Tls:
    """Files of one end of TLS, PEM."""

    cert: Path = setting(doc="Certificate chain.")
    key: Path = setting(doc="Private key.")
    ca: Path | None = setting(None, doc="Authority that the other side's certificate must come from.")


@dataclass(frozen=True, slots=True)
class Discovery:
    """Where the other nodes are: exactly one of the three."""

    static: tuple[Address, ...] | None = setting(
        None, doc="A fixed list of peers. This node may be in it, so that all nodes can have the same list."
    )
    dns: Address | None = setting(
        None, doc="A name that resolves to all peers, such as a headless Service, and a port."
    )
    redis: str | None = setting(
        None,
        secret=True,
        doc="`redis://[user:password@]host:port/db`, for large fleets. It also says who has which model, so that not "
        "every node asks every other one.",
    )

    def __post_init__(self) -> None:
        given = [name for name in ("static", "dns", "redis") if getattr(self, name) is not None]
        if len(given) != 1:
            message = f"{' and '.join(given)} exclude each other" if given else "says neither static, dns nor redis"
            raise Unusable(given[-1] if given else "static", message, hint="give exactly one of static, dns and redis")
        for index, address in enumerate(self.static or ()):
            _refuse_port_0(f"static[{index}]", address)
        if self.dns is not None:
            _refuse_port_0("dns", self.dns)
        if self.redis is not None:
            _refuse_no_redis(self.redis)


@dataclass(frozen=True, slots=True)
class PeersSection:
    """The exchange of chunks between nodes. Without `listen` a node has no peers."""

    listen: Address | None = setting(
        None, doc="Address of the peer service (gRPC); the bulk lane is the next port. null: no peers."
    )
    advertise: Address | None = setting(
        None, doc="Address that other nodes reach this one by. null: `listen`, which must then name one address."
    )
    discovery: Discovery | None = setting(
        None, doc="How the other nodes are found. null: only those are known that find this one."
    )
    token_file: Path | None = setting(
        None,
        doc="File with the token that all peers share. One a line: the first is sent, all are accepted, so that it can "
        "be changed node by node. It is read again when it changes.",
    )
    tls: Tls | None = setting(
        None,
        doc="Mutual TLS, instead of a token or with it: `ca` is required. Read again when a file changes. Chunks come "
        "over gRPC then, because the bulk lane is not encrypted.",
    )
    insecure: bool = setting(
        False,  # noqa: FBT003 a default
        doc="Allow a peer address beyond loopback with neither token nor TLS. For isolated test networks only.",
    )
    uploads: int = setting(
        12,
        doc="Chunks sent at a time. 8 to 12 of 8 MiB are some 40 to 60 ms of a 10 to 25 Gbit/s link; a node that is "
        "asked for more says so, and the other asks elsewhere.",
    )
    downloads: int = setting(
        10, doc="Chunks asked of peers at a time. At most `uploads`, or nodes would only meet busy ones."
    )
    connections: int = setting(256, doc="Bulk connections accepted at a time. Further ones are closed at once.")
    bytes_in_flight: Bytes = setting(
        Bytes(256 << 20), doc="Bytes promised to other nodes and not sent yet. At least one chunk."
    )
    uplink: Bytes | None = setting(
        None,
        doc="The most bytes per second that are sent to peers, such as `1GiB`, so that weights do not starve inference "
        "traffic. At least one chunk per second. null: no limit.",
    )
    lane: bool = setting(
        True,  # noqa: FBT003 a default
        doc="Whether to offer and use the bulk lane, which needs half the processor time of gRPC. Where it is blocked, "
        "chunks come over gRPC by themselves.",
    )

    def __post_init__(self) -> None:
        self._check_slots()
        if self.listen is None:
            if self.discovery is not None:
                raise Unusable(
                    "listen",
                    "is missing, and peers.discovery is given",
                    hint="give this node an address, for example 0.0.0.0:9302, or remove peers.discovery",
                )
            return
        self._check_lane_port(self.listen)
        self._check_security(self.listen)
        self._check_advertise(self.listen)

    def _check_slots(self) -> None:
        for key in ("uploads", "downloads", "connections"):
            if getattr(self, key) < 1:
                raise Unusable(key, "0 at a time exchange nothing", hint="use 1 or more, or remove the key")
        if self.downloads > self.uploads:
            raise Unusable(
                "downloads",
                f"{self.downloads} is more than peers.uploads, {self.uploads}: nodes would mostly meet busy ones",
                hint="lower peers.downloads, or raise peers.uploads on all nodes",
            )
        if self.uplink == 0:
            raise Unusable("uplink", "0 bytes per second send nothing", hint="write null for no limit")

    def _check_lane_port(self, listen: Address) -> None:
        _, port = split_address(listen)
        if not self.lane:
            return
        if port + 1 in RESERVED_PORTS:
            raise Unusable(
                "listen",
                f"{listen!r} puts the bulk lane on port {port + 1}, which the platform itself occupies",
                hint="choose another port, for example 9302",
            )
        if port == MAX_PORT:
            raise Unusable(
                "listen", f"{listen!r} leaves no next port for the bulk lane", hint="choose another port, such as 9302"
            )

    def _check_security(self, listen: Address) -> None:
        if self.tls is not None and self.tls.ca is None:
            raise Unusable(
                "tls.ca",
                "is missing: without it any certificate would be accepted",
                hint="name the file of the authority that signs the certificates of all peers",
            )
        if not (self.token_file or self.tls or self.insecure or is_loopback(listen)):
            raise Unusable(
                "listen",
                f"{listen!r} can be reached from other machines, and there is neither a token nor TLS",
                hint="set peers.token_file or peers.tls; on an isolated network, peers.insecure: true",
            )

    def _check_advertise(self, listen: Address) -> None:
        if self.advertise is None:
            if _is_wildcard(listen):
                raise Unusable(
                    "advertise",
                    f"is missing, and {listen!r} (peers.listen) is no address that others could reach",
                    hint="give the address of this node in the network of its peers, for example 10.0.0.1:9302",
                )
            return
        _refuse_port_0("advertise", self.advertise)
        if _is_wildcard(self.advertise):
            raise Unusable(
                "advertise",
                f"{self.advertise!r} is no address that others could reach",
                hint="give the address of this node in the network of its peers, for example 10.0.0.1:9302",
            )

    @property
    def wanted(self) -> bool:
        """Whether the file asks for peers at all."""
        return self.listen is not None


def _is_wildcard(address: Address) -> bool:
    """Whether it stands for all addresses of a machine."""
    host, _ = split_address(address)
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def _refuse_port_0(key: str, address: Address) -> None:
    if split_address(address)[1] == 0:
        raise Unusable(key, f"{address!r} has port 0, which nobody can reach", hint="write the port, such as 9302")


def _refuse_no_redis(url: str) -> None:
    """The URL may hold a password, and is in no message."""
    hint = "write redis://host:6379/0, or rediss:// for TLS"
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"redis", "rediss"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise Unusable("redis", "the value is not the URL of a Redis server", hint=hint)
