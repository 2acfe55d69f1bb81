"""A node whose peers are all wrong in some way: each is named with a remedy, and reads go on as if there were none.

One fleet for all tests: the first node's list holds every kind of wrong address at once.
"""

from __future__ import annotations

import http.server
import socketserver
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from benchmarks.node.processes import Child, python
from tests.cluster.loopback import TOKEN, Loopback, address, host, running_nodes
from tests.cluster.views import SOURCE, known, peers_of, problems
from tests.fuse.node import some_bytes
from tests.redis_server import free_port
from tests.waiting import eventually

CHUNK = 512 << 10
DATA = some_bytes(4 << 20)

FIRST, STRANGER, FINE, TWIN, HIDDEN, ALONE = range(6)
"""The nodes: the first, whose list it is; of another cluster; with finer chunks; with the first one's name; with an
address that does not lead to it; and one whose discovery resolves to nothing."""


class Silent(socketserver.BaseRequestHandler):
    """Takes everything and answers nothing."""

    def handle(self) -> None:
        while self.request.recv(4096):
            pass


class Web(http.server.BaseHTTPRequestHandler):
    """Speaks HTTP/1.1, and logs nothing."""

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""


@contextmanager
def serving(handler: type[socketserver.BaseRequestHandler]) -> Iterator[str]:
    """The address of a server on a thread of its own."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@dataclass(frozen=True)
class Wrong:
    """What the first node has to say about one address."""

    code: str
    message: str
    hint: str


EXPECTED: Mapping[str, Wrong] = {
    "web server": Wrong("peer_protocol", "HTTP/2", "not of another service"),
    "silent port": Wrong("peer_unavailable", "", "check that the peer runs"),
    "other version": Wrong("peer_mismatch", "protocol version 2", "finish the upgrade"),
    "other token": Wrong("peer_refused", "UNAUTHENTICATED", "the same peers.token_file"),
    "other chunk size": Wrong("other_chunk_size", f"chunks of {CHUNK // 2} bytes", "the same cache.chunk_bytes"),
    "same name": Wrong("duplicate_node", "node id node-0 is used by", "a node.id of its own"),
    "hidden": Wrong("peer_unavailable", "node node-4 says that it is reached at", "advertised address"),
}


@dataclass(frozen=True)
class Crowd:
    """The fleet, and where each kind of trouble lives."""

    nodes: Loopback
    addresses: Mapping[str, str]

    def problem(self, name: str) -> dict[str, Any] | None:
        """What the first node says of one kind."""
        where, code = self.addresses[name], EXPECTED[name].code
        found = peers_of(self.nodes.daemons[FIRST])["problems"]
        return next((one for one in found if (one["address"], one["code"]) == (where, code)), None)


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crowd]:
    where = tmp_path_factory.mktemp("crowd")
    (where / "token").write_text(TOKEN)
    (where / "other").write_text("of-another-cluster")
    with ExitStack() as stack:
        newer = Child("newer", python("tests.cluster.other_version", where / "token"), where, piped=True)
        listed = {
            "other version": stack.enter_context(newer).hear(),
            "web server": stack.enter_context(serving(Web)),
            "silent port": stack.enter_context(serving(Silent)),
            "other token": address(STRANGER),
            "other chunk size": address(FINE),
            "same name": address(TWIN),
        }
        hidden = f"{host(HIDDEN)}:{free_port()}"
        nodes = stack.enter_context(_daemons(where, [*listed.values()], hidden))
        nodes.put("m/model.safetensors", DATA)
        yield Crowd(nodes, {**listed, "hidden": hidden})


def _daemons(where: Path, listed: Sequence[str], hidden: str) -> AbstractContextManager[Loopback]:
    """All know the first, and the first knows all; its list names itself, too."""
    return running_nodes(
        6,
        chunk_bytes=CHUNK,
        everywhere={"token_file": str(where / "token"), "discovery": {"static": [address(FIRST)]}},
        changes={
            FIRST: {"discovery": {"static": [address(FIRST), *listed]}},
            STRANGER: {"token_file": str(where / "other")},
            HIDDEN: {"advertise": hidden},
            ALONE: {"discovery": {"dns": "mows.invalid:9302"}},
        },
        sections={FINE: {"cache": {"chunk_bytes": CHUNK // 2}}, TWIN: {"node": {"id": "node-0"}}},
    )


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_each_is_named_with_its_remedy(crowd: Crowd, name: str, mows: Callable[..., str]) -> None:
    expected, first = EXPECTED[name], crowd.nodes.daemons[FIRST]
    eventually(lambda: crowd.problem(name) is not None, f"{name} is a problem")
    problem = crowd.problem(name)
    assert problem is not None
    assert expected.message in problem["message"]
    assert crowd.addresses[name] in problem["message"]
    assert expected.hint in problem["hint"]
    lines = mows(first, "peers").splitlines()
    assert f"{problem['message']} ({expected.code})" in lines
    assert f"hint: {problem['hint']}" in lines


def test_they_are_warned_about_once_and_not_at_every_heartbeat(crowd: Crowd) -> None:
    first = crowd.nodes.daemons[FIRST]
    eventually(lambda: all(crowd.problem(name) for name in EXPECTED), "all are named")
    for name, expected in EXPECTED.items():
        if expected.code != "peer_unavailable":  # nodes come and go
            assert first.log.read_text().count(f"WARNING peer {crowd.addresses[name]}: {expected.code}: ") == 1


def test_it_is_no_peer_of_itself(crowd: Crowd) -> None:
    eventually(lambda: all(crowd.problem(name) for name in EXPECTED), "all are named")
    first = crowd.nodes.daemons[FIRST]
    assert sorted(known(first)) == ["node-0", "node-2"], "the twin, and the one with finer chunks"
    assert problems(first).keys() == {*crowd.addresses.values()}


def test_both_nodes_of_one_name_name_it(crowd: Crowd) -> None:
    twin = crowd.nodes.daemons[TWIN]
    eventually(lambda: problems(twin) == {address(FIRST): "duplicate_node"}, "the twin names the first")


def test_one_that_finds_nobody_says_so(crowd: Crowd, mows: Callable[..., str]) -> None:
    alone = crowd.nodes.daemons[ALONE]
    eventually(lambda: problems(alone) == {address(ALONE): "no_peers"}, "it is alone")
    assert known(alone) == []
    assert "hint: check peers.discovery" in mows(alone, "peers").splitlines()


@pytest.mark.parametrize("number", [FIRST, STRANGER, FINE, TWIN, HIDDEN, ALONE])
def test_all_of_them_serve_reads(crowd: Crowd, number: int) -> None:
    daemon = crowd.nodes.daemons[number]
    target = daemon.mount("m", SOURCE)
    assert (target / "model.safetensors").read_bytes() == DATA
    if number in {STRANGER, FINE, ALONE}:
        assert daemon.mount_state("m")["bytes"]["from_origin"] == len(DATA)
    daemon.unmount("m")
