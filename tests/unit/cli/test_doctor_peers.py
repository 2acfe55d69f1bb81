"""Discovery, reachability and what others answer, as the doctor sees them."""

from __future__ import annotations

import contextlib
import dataclasses
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from cachefs.errors import PeerRefused, PeerUnavailable
from cli.doctor.finding import Level
from cli.doctor.peers import MOST_ASKED, find, greet, introduced, of_daemon, reachable
from mows.api import peer_answers
from mows.api.peer_models import Peers
from mows.api.services import NodeIdentity
from mows.config import Discovery
from mows.units import Address
from peer.membership.prober import HelloReply
from peer.settings import PeerSettings
from peer.statistics import PeerStatistics
from peer.values import Identity
from tests.unit.mows.peer_values import STATISTICS, identity, with_peers

OURS = Address("10.0.0.1:9302")


@contextlib.contextmanager
def listening() -> Iterator[Address]:
    """An address that accepts connections."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield Address(f"127.0.0.1:{listener.getsockname()[1]}")


@pytest.fixture
def nobody() -> Address:
    with listening() as address:
        return address


def answer(statistics: PeerStatistics | None) -> Peers:
    """As the daemon would answer."""
    node = NodeIdentity("node-a", "z1", "1.2.3", 8 << 20, peers_configured=True)
    return peer_answers.peers(node, statistics)


def at(address: Address, statistics: PeerStatistics = STATISTICS) -> Peers:
    """The answer of a daemon that gives others this address, and has no bulk lane."""
    return answer(statistics).model_copy(update={"address": address, "lane_port": None})


@dataclass
class Prober:
    """Everybody is node-b, or answers with this error."""

    lane_port: int = 0
    error: Exception | None = None
    asked: list[str] = field(default_factory=list)

    async def hello(self, address: str, timeout_seconds: float) -> HelloReply:
        self.asked.append(address)
        if self.error is not None:
            raise self.error
        return HelloReply(dataclasses.replace(identity("node-b"), lane_port=self.lane_port))


def test_an_address_is_reachable_or_not(nobody: Address) -> None:
    with listening() as address:
        assert reachable("peer address", address).level is Level.OK
    found = reachable("peer address", nobody)
    assert (found.level, found.message) == (Level.FAIL, f"{nobody}: Connection refused")
    assert "peers.advertise" in found.remedy


def test_a_running_daemon_is_asked_what_it_found() -> None:
    with listening() as address:
        findings = list(of_daemon(at(address)))
    assert [(found.name, found.level) for found in findings] == [
        ("peer address", Level.OK),
        ("peers", Level.OK),
        ("peer 10.0.0.9:9302", Level.WARN),
    ]
    assert findings[1].message == "1 of 2 up"
    assert findings[2].message.endswith("speaks protocol 2, this node 1 (peer_mismatch)")
    assert findings[2].remedy == "finish the upgrade"


def test_its_lane_is_tried_too(nobody: Address) -> None:
    with listening() as address:
        running = at(address).model_copy(update={"lane_port": int(nobody.rpartition(":")[2])})
        findings = list(of_daemon(running))
    assert [(found.name, found.level) for found in findings[:2]] == [
        ("peer address", Level.OK),
        ("peer bulk lane", Level.FAIL),
    ]


def test_nobody_up_is_worth_a_warning_only_with_a_reason() -> None:
    with listening() as address:
        alone = at(address, with_peers())
        assert [found.level for found in of_daemon(alone)][1] is Level.WARN
        assert [found.level for found in of_daemon(alone.model_copy(update={"problems": []}))][1] is Level.OK


def test_a_daemon_of_another_configuration() -> None:
    (found,) = of_daemon(answer(None))
    assert found.level is Level.WARN
    assert "restart" in found.remedy


def test_a_fixed_list() -> None:
    found, addresses = find(Discovery(static=(OURS, Address("10.0.0.2:9302"))))
    assert (found.level, found.message) == (Level.OK, "a list of 2 nodes")
    assert addresses == (OURS, "10.0.0.2:9302")


def test_no_discovery_at_all() -> None:
    found, addresses = find(None)
    assert (found.level, addresses) == (Level.WARN, ())


def test_a_name_that_resolves() -> None:
    found, addresses = find(Discovery(dns=Address("127.0.0.1:9302")))
    assert (found.level, found.message) == (Level.OK, "127.0.0.1 resolves to 127.0.0.1")
    assert addresses == ["127.0.0.1:9302"]


def test_many_addresses_are_not_all_written_out(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [(0, 0, 0, "", (f"fd00::{number}", 9302, 0, 0)) for number in range(1, 7)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: rows)
    found, addresses = find(Discovery(dns=Address("mows-peers:9302")))
    assert found.message == "mows-peers resolves to fd00::1, fd00::2, fd00::3, fd00::4 and 2 more"
    assert addresses[0] == "[fd00::1]:9302"


def test_a_name_that_does_not_resolve_leaves_the_node_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fails)
    found, addresses = find(Discovery(dns=Address("mows-peers:9302")))
    assert (found.level, addresses) == (Level.WARN, ())
    assert "mows-peers: Name or service not known: this node would be alone" in found.message


def test_a_redis_that_is_not_there_fails_without_its_password(nobody: Address) -> None:
    found, _ = find(Discovery(redis=f"redis://user:hush@{nobody}/0"))
    assert found.level is Level.FAIL
    assert f"redis://{nobody}/0: " in found.message
    assert "hush" not in found.message


async def test_those_who_let_this_node_in() -> None:
    (found,) = await greet([OURS, Address("10.0.0.2:9302")], OURS, Prober())
    assert (found.name, found.level) == ("peer 10.0.0.2:9302", Level.OK)
    assert found.message == "node-b (MoWS 1.2.3) lets this node in"


async def test_a_lane_that_is_blocked_costs_processor_time(nobody: Address) -> None:
    host, _, port = nobody.rpartition(":")
    (found,) = await greet([Address(f"{host}:9302")], OURS, Prober(lane_port=int(port)))
    assert found.level is Level.WARN
    assert f"not to its bulk lane, {nobody}: Connection refused" in found.message
    with listening() as lane:
        (found,) = await greet([Address(f"{host}:9302")], OURS, Prober(lane_port=int(lane.rpartition(":")[2])))
    assert found.level is Level.OK


@pytest.mark.parametrize("error", [PeerRefused("10.0.0.2:9302: wrong token"), PeerUnavailable("10.0.0.2:9302: silent")])
async def test_those_who_do_not(error: Exception) -> None:
    (found,) = await greet([Address("10.0.0.2:9302")], OURS, Prober(error=error))
    assert found.level is Level.WARN
    assert str(error) in found.message
    assert found.remedy


async def test_of_a_large_fleet_some_are_asked() -> None:
    prober = Prober()
    findings = await greet([Address(f"10.0.1.{host}:9302") for host in range(20)], OURS, prober)
    assert len(prober.asked) == MOST_ASKED
    assert "not asked, nor are 3 more" in findings[-1].message


def test_the_doctor_introduces_itself_as_this_node() -> None:
    settings = PeerSettings(
        node_id="node-a",
        zone="z1",
        chunk_bytes=1 << 20,
        version="1.2.3",
        listen="0.0.0.0:9302",
        advertise="10.0.0.1:9302",
    )
    mine = introduced(settings)
    assert mine == Identity(
        node_id="node-a",
        boot_id=mine.boot_id,
        address="10.0.0.1:9302",
        lane_port=9303,
        zone="z1",
        chunk_bytes=1 << 20,
        version="1.2.3",
    )
    assert introduced(settings).boot_id != mine.boot_id
