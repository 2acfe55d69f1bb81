"""The network: a switch, so many nodes, an origin, and a place for services such as Redis.

All of them are network namespaces of this lab, the switch too: no other network, firewall or bridge of the machine sees
its frames, and removing the namespaces removes everything. Each host hangs on the switch by one veth pair; what the
host sends is limited at its own end, what it receives at the switch's end.

The origin's rate per client is a class of the kernel for each address (htb), not the server's own pacing: it holds for
whatever program serves and whatever program downloads, counts frames as the links do, and goes on exactly while the
server's interpreter is busy.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from benchmarks.lab import iproute
from benchmarks.lab.cutting import drop_to, severed
from benchmarks.lab.leftovers import destroy, prefix_of, remove_abandoned
from benchmarks.lab.place import Place
from benchmarks.lab.shaping import per_client, token_bucket

CONGESTION_CONTROL = "cubic"
"""What Linux uses unless told otherwise, whatever this machine was told."""

NETWORK_BITS = 16
ORIGIN_ADDRESS = "10.99.0.1"
SERVICES_ADDRESS = "10.99.0.2"
MOST_NODES = 250


@dataclass(frozen=True, slots=True, kw_only=True)
class LabSettings:
    """Rates are in bits per second and count whole frames; None is no limit."""

    nodes: int
    link_bits_per_second: int
    """Of each node, each way."""
    origin_total_bits_per_second: int | None = None
    """What the origin sends to all together."""
    origin_client_bits_per_second: int | None = None
    """What the origin sends to any one of them."""

    def __post_init__(self) -> None:
        if not 1 <= self.nodes <= MOST_NODES:
            raise ValueError(f"nodes {self.nodes}: a lab has 1 to {MOST_NODES}")


@dataclass(frozen=True, slots=True)
class Traffic:
    """Bytes of frames that went over one host's link so far."""

    sent_bytes: int
    received_bytes: int


@dataclass(slots=True)
class _Plan:
    """Commands of ``ip`` and ``tc`` by namespace, to be run in few calls."""

    ip: dict[str, list[str]] = field(default_factory=dict)
    tc: dict[str, list[str]] = field(default_factory=dict)

    def run(self) -> None:
        for namespace, lines in self.ip.items():
            iproute.ip(lines, namespace=namespace)
        for namespace, lines in self.tc.items():
            iproute.tc(lines, namespace=namespace)


class Lab:
    """One network; several may exist at a time. Entering builds it, in about half a second; leaving removes it.

    Leaving also kills whatever still runs inside. What a run that was killed has left is removed when the next lab is
    built. Every method blocks for a few milliseconds and raises NetworkRefused. Not thread-safe.
    """

    def __init__(self, settings: LabSettings) -> None:
        self.settings = settings
        self._prefix = f"{prefix_of(os.getpid())}{secrets.token_hex(2)}-"
        self.switch = f"{self._prefix}switch"
        """Namespace of the bridge; its ports are called as the places."""
        self.origin = self._place("origin", ORIGIN_ADDRESS)
        self.services = self._place("services", SERVICES_ADDRESS)
        self.nodes = tuple(self._place(f"node-{index}", f"10.99.1.{index + 1}") for index in range(settings.nodes))

    def __enter__(self) -> Self:
        remove_abandoned()
        try:
            self._build()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()

    def remove(self) -> None:
        """Kill whatever runs inside and remove the network, before the context is left. Idempotent."""
        destroy(self._namespaces())

    @property
    def places(self) -> tuple[Place, ...]:
        """All hosts."""
        return (self.origin, self.services, *self.nodes)

    def set_rate(self, node: int, *, up_bits_per_second: int, down_bits_per_second: int) -> None:
        """Change what one node may send and receive from now on. What waits in its queues stays there."""
        place = self.nodes[node]
        iproute.tc([f"qdisc change dev eth0 root {token_bucket(up_bits_per_second)}"], namespace=place.namespace)
        iproute.tc([f"qdisc change dev {place.name} root {token_bucket(down_bits_per_second)}"], namespace=self.switch)

    def partition(self, groups: Sequence[Collection[int]]) -> None:
        """Lose every frame between nodes of different groups. The origin and the services stay reachable for all."""
        self.heal()
        filters = [
            f"filter add dev {self.nodes[node].name} ingress protocol ip "
            f"bpf direct-action bytecode '{drop_to([self.nodes[other].address for other in lost])}'"
            for node, lost in severed(groups)
            if lost
        ]
        iproute.tc(filters, namespace=self.switch)

    def heal(self) -> None:
        """Undo `partition`. Without one, nothing happens."""
        iproute.tc([f"filter delete dev {place.name} ingress" for place in self.nodes], namespace=self.switch)

    def unplug_origin(self) -> None:
        """Pull the origin's cable."""
        self.unplug(self.origin)

    def plug_origin(self) -> None:
        """Put it back."""
        self.plug(self.origin)

    def unplug(self, place: Place) -> None:
        """Pull a host's cable."""
        iproute.ip([f"link set {place.name} down"], namespace=self.switch)

    def plug(self, place: Place) -> None:
        """Put it back."""
        iproute.ip([f"link set {place.name} up"], namespace=self.switch)

    def counters(self) -> Mapping[str, Traffic]:
        """What each host has sent and received, by its name, as the switch has seen it."""
        links = iproute.ask("ip", "-statistics", "link", "show", "type", "veth", namespace=self.switch)
        return {
            link["ifname"]: Traffic(link["stats64"]["rx"]["bytes"], link["stats64"]["tx"]["bytes"]) for link in links
        }

    def _place(self, name: str, address: str) -> Place:
        return Place(name, f"{self._prefix}{name}", address)

    def _build(self) -> None:
        iproute.ip(f"netns add {name}" for name in self._namespaces())
        plan = _Plan()
        plan.ip[self.switch] = ["link add bridge type bridge", "link set bridge up"]
        plan.tc[self.switch] = []
        for place in self.places:
            self._connect(place, plan)
        for place in self.nodes:
            rate = token_bucket(self.settings.link_bits_per_second)
            plan.tc[place.namespace] = [f"qdisc add dev eth0 root {rate}"]
            plan.tc[self.switch] += [f"qdisc add dev {place.name} root {rate}", f"qdisc add dev {place.name} clsact"]
        plan.tc[self.origin.namespace] = self._origin_limits()
        plan.run()

    def _connect(self, place: Place, plan: _Plan) -> None:
        port = place.name
        plan.ip[self.switch] += [
            f"link add {port} type veth peer name eth0 netns {place.namespace}",
            f"link set {port} master bridge up",
        ]
        # A route says how its TCP behaves, for what this host sends. It exists since the interface is up.
        route = f"10.99.0.0/{NETWORK_BITS} dev eth0 proto kernel scope link src {place.address}"
        plan.ip[place.namespace] = [
            "link set lo up",
            f"address add {place.address}/{NETWORK_BITS} dev eth0",
            "link set eth0 up",
            f"route change {route} congctl {CONGESTION_CONTROL}",
        ]

    def _origin_limits(self) -> list[str]:
        total, client = self.settings.origin_total_bits_per_second, self.settings.origin_client_bits_per_second
        if client is not None:
            return per_client("eth0", [place.address for place in self.nodes], client, total)
        return [] if total is None else [f"qdisc add dev eth0 root {token_bucket(total)}"]

    def _namespaces(self) -> list[str]:
        return [self.switch, *(place.namespace for place in self.places)]
