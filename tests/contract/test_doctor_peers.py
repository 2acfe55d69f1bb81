"""The doctor on a whole `peers` section: a real Redis, a daemon that only talks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.commands.doctor import check_peers
from cli.doctor.finding import Finding, Level
from cli.doctor.peers import greet, introduced
from cli.endpoint import Endpoint
from mows.api import peer_answers
from mows.api.services import NodeIdentity
from mows.config import Config, parse_config
from mows.peer_settings import peer_settings
from mows.units import Address
from peer.rpc.hello import GrpcProber
from peer.rpc.security import Security
from peer.rpc.traffic import Traffic
from peer.settings import SecuritySettings
from tests.contract.fake_daemon import FakeDaemon, serving
from tests.contract.peer_world import World, settings_of
from tests.contract.peer_world import serving as serving_peers
from tests.redis_server import RedisServer, free_port, redis_server
from tests.unit.mows.peer_values import STATISTICS

SECRET = "hush"
NOBODY = Endpoint(Path("/no/such/socket"))
NODE = NodeIdentity("node-a", "z1", "1.2.3", 8 << 20, peers_configured=True)


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with redis_server(password=SECRET) as server:
        yield server


def config(peers: str) -> Config:
    return parse_config(f"cache: {{tiers: [{{path: /t, capacity: 1GiB}}]}}\npeers: {peers}", "mows.yaml")


def checked(peers: str, endpoint: Endpoint = NOBODY) -> dict[str, Finding]:
    return {finding.name: finding for finding in check_peers(config(peers), endpoint)}


def test_a_node_without_peers_needs_no_checks() -> None:
    assert checked("{}") == {}


def test_a_redis_that_answers(redis: RedisServer) -> None:
    found = checked(f"{{listen: '127.0.0.1:9302', discovery: {{redis: '{redis.url}'}}}}")["peer discovery"]
    assert (found.level, found.message) == (Level.OK, f"redis://127.0.0.1:{redis.port}/0 answers")


def test_a_redis_that_wants_another_password(redis: RedisServer) -> None:
    url = redis.url.replace(SECRET, "wrong")
    found = checked(f"{{listen: '127.0.0.1:9302', discovery: {{redis: '{url}'}}}}")["peer discovery"]
    assert found.level is Level.FAIL
    assert "password" in found.message
    assert "wrong@" not in found.message


async def said_hello(world: World, token_file: Path | None = None) -> Finding:
    """What the doctor finds at a node that answers."""
    wanted = peer_settings(config("{listen: '127.0.0.1:9302'}"))
    assert wanted is not None
    mine = introduced(wanted)
    prober = GrpcProber(lambda: mine, Security(SecuritySettings(token_file=token_file)), Traffic())
    (found,) = await greet([Address("127.0.0.1:9302"), Address(world.server.address)], mine.address, prober)
    assert found.name == f"peer {world.server.address}"
    return found


async def test_before_the_first_start_others_are_asked_whether_they_let_this_node_in(tmp_path: Path) -> None:
    async with serving_peers(tmp_path) as world:
        found = await said_hello(world)
    assert found.message.startswith("node-b (MoWS 1.2.3) lets this node in, but not to its bulk lane, 127.0.0.1:7: ")
    assert [met.address for met in world.host.met] == ["127.0.0.1:9302"]


async def test_a_peer_with_another_token_is_named(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    ours.write_text("one")
    theirs.write_text("other")
    async with serving_peers(tmp_path, settings_of(security=SecuritySettings(token_file=theirs))) as world:
        found = await said_hello(world, ours)
    assert found.level is Level.WARN
    assert "(peer_refused)" in found.message
    assert "peers.token_file" in found.remedy
    assert world.host.met == []


def test_files_and_list_are_looked_at_before_the_first_start(tmp_path: Path) -> None:
    port = free_port()
    findings = checked(
        f"{{listen: '127.0.0.1:9302', token_file: {tmp_path}/none, discovery: {{static: ['127.0.0.1:{port}']}}}}"
    )
    assert {name: found.level for name, found in findings.items()} == {
        "peer token": Level.FAIL,
        "peer discovery": Level.OK,
    }


def test_a_list_of_nodes_that_do_not_run_yet() -> None:
    port = free_port()
    found = checked(f"{{listen: '127.0.0.1:9302', discovery: {{static: ['127.0.0.1:{port}']}}}}")
    assert found[f"peer 127.0.0.1:{port}"].level is Level.WARN
    assert "(peer_unavailable)" in found[f"peer 127.0.0.1:{port}"].message


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeDaemon]:
    yield from serving(tmp_path / "mows.sock")


def test_a_running_daemon_names_what_is_wrong_with_its_peers(tmp_path: Path, fake: FakeDaemon) -> None:
    nobody = {"address": f"127.0.0.1:{free_port()}", "lane_port": None}
    fake.peers = peer_answers.peers(NODE, STATISTICS).model_copy(update=nobody)
    findings = checked("{listen: '127.0.0.1:9302', discovery: {static: []}}", Endpoint(tmp_path / "mows.sock"))
    assert findings["peer address"].level is Level.FAIL
    assert findings["peers"].message == "1 of 2 up"
    assert findings["peer 10.0.0.9:9302"].remedy == "finish the upgrade"
