"""Whom daemons with a token let in, what all others learn, and that the token changes while chunks flow."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import grpc
import pytest

from benchmarks.node.daemon import Daemon
from benchmarks.node.processes import ChildFailed
from cachefs.types import BlobId
from peer.lane.frames import ANSWER_BYTES, Request, Status, encode_opening, encode_request, parse_answer
from peer.lane.tickets import TICKET_BYTES
from peer.rpc.messages import Fetch, Locate, decode_ticket, encode_hello, encode_open_lane, path
from peer.settings import PeerTimes
from peer.values import PeerId
from tests.cluster.loopback import PORT, address, host, running_nodes
from tests.cluster.rotating import UPLINK, Pair, put_models
from tests.cluster.views import peers_of, warm
from tests.contract.peer_world import identity

CHUNK = 256 << 10
ANSWER_SECONDS = 60.0
CALLER = PeerId("caller@0123456789abcdef")
NONSENSE = BlobId("ab" * 16)

Heard = tuple[grpc.StatusCode, str, int]
"""How a call ended: its status, the text with it, and the number of messages before."""


@dataclass(frozen=True)
class TokenPair(Pair):
    """Two nodes with a token, each of which reads a file of its own."""

    files: tuple[Path, Path]

    def write(self, text: str) -> None:
        """Replace what both know."""
        for file in self.files:
            file.write_text(text)


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TokenPair]:
    where = tmp_path_factory.mktemp("tokens")
    files = where / "giver", where / "taker"
    for file in files:
        file.write_text("secret\n")
    changes = {number: {"token_file": str(file)} for number, file in enumerate(files)}
    with running_nodes(2, chunk_bytes=CHUNK, everywhere={"uplink": UPLINK}, changes=changes) as nodes:
        put_models(nodes)
        warm(nodes.daemons[0])
        yield TokenPair(nodes, files)


@dataclass(frozen=True)
class OldTicket:
    """A ticket of the giver's bulk lane that nobody shows while it is good."""

    ticket: bytes
    until: float


@pytest.fixture(scope="module", autouse=True)
def old_ticket(tokens: TokenPair) -> OldTicket:
    """Asked for before all tests, so that they, and not a pause, let it grow old."""
    return OldTicket(ticket(tokens), time.monotonic() + PeerTimes().ticket)


def call(method: str, request: bytes, token: str | None) -> tuple[Heard, list[bytes]]:
    """Ask the giver, with or without a token."""
    metadata = (("authorization", f"Bearer {token}"),) if token else ()
    messages: list[bytes] = []
    with grpc.insecure_channel(address(0), [("grpc.enable_http_proxy", 0)]) as channel:
        ask: grpc.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(path(method))
        asked = ask(iter([request]), timeout=ANSWER_SECONDS, metadata=metadata)
        with suppress(grpc.RpcError):  # its status says how it ended
            messages.extend(asked)
        return (asked.code(), asked.details(), len(messages)), messages


def ticket(pair: TokenPair) -> bytes:
    """One for the giver's bulk lane."""
    _, (message,) = call("OpenLane", encode_open_lane(CALLER), pair.files[0].read_text().split()[0])
    return decode_ticket(message)


@pytest.fixture(scope="module")
def existing(tokens: TokenPair) -> BlobId:
    """A blob that the giver has whole."""
    (blob,) = tokens.giver.call("GET", "/cache/blobs")["blobs"]
    return BlobId(blob["blob_id"])


def rejected(daemon: Daemon, reason: str) -> int:
    return int(peers_of(daemon)["rejected"].get(reason, 0))


@pytest.mark.parametrize("token", [None, "wrong"])
def test_without_the_token_all_calls_end_alike(tokens: TokenPair, existing: BlobId, token: str | None) -> None:
    """SEMANTICS S23: nobody else learns which blobs exist."""
    assert call("Fetch", Fetch(existing, 0, CALLER).encode(), "secret")[0] == (grpc.StatusCode.OK, "", 2)
    assert call("Fetch", Fetch(NONSENSE, 0, CALLER).encode(), "secret")[0][0] is grpc.StatusCode.NOT_FOUND
    before = rejected(tokens.giver, "unauthenticated")
    questions = [("Hello", encode_hello(identity())), ("Have", b""), ("OpenLane", encode_open_lane(CALLER))]
    for blob in (existing, NONSENSE):
        questions.append(("Locate", Locate(blob, 1, urgent=True).encode()))
        questions.append(("Fetch", Fetch(blob, 0, CALLER).encode()))
    questions += [("Fetch", b"\xff\xff"), ("NoSuchMethod", b"")]
    heard = {call(method, request, token)[0] for method, request in questions}
    assert heard == {(grpc.StatusCode.UNAUTHENTICATED, "", 0)}
    assert rejected(tokens.giver, "unauthenticated") == before + len(questions)


def lane_answers(blob: BlobId, shown: bytes) -> bool:
    """Whether somebody who shows this ticket is given a chunk; otherwise the connection is closed without a byte."""
    asked = Request(blob, 0, CHUNK)
    with socket.create_connection((host(0), PORT + 1), ANSWER_SECONDS) as connection:
        connection.sendall(encode_opening(shown) + encode_request(asked))
        try:
            answer = connection.recv(ANSWER_BYTES, socket.MSG_WAITALL)
        except ConnectionResetError:
            return False
    if answer:
        assert parse_answer(answer).status is Status.OK
    return bool(answer)


def test_a_ticket_opens_the_lane_once(tokens: TokenPair, existing: BlobId) -> None:
    good, before = ticket(tokens), rejected(tokens.giver, "bad_ticket")
    assert lane_answers(existing, good)
    assert rejected(tokens.giver, "bad_ticket") == before
    assert not lane_answers(existing, good)
    assert rejected(tokens.giver, "bad_ticket") == before + 1


def test_a_guessed_ticket_opens_nothing(tokens: TokenPair, existing: BlobId) -> None:
    before = rejected(tokens.giver, "bad_ticket")
    assert not lane_answers(existing, bytes(TICKET_BYTES))
    assert rejected(tokens.giver, "bad_ticket") == before + 1


def test_the_token_changes_node_by_node_while_chunks_flow(tokens: TokenPair) -> None:
    steps = ("secret\nnewer\n", "newer\nsecret\n", "newer\n")
    tokens.read_while([partial(tokens.write, text) for text in steps])
    assert call("OpenLane", encode_open_lane(CALLER), "secret")[0] == (grpc.StatusCode.UNAUTHENTICATED, "", 0)
    assert call("OpenLane", encode_open_lane(CALLER), "newer")[0] == (grpc.StatusCode.OK, "", 1)
    tokens.exchange_afterwards()


def test_an_old_ticket_opens_nothing(tokens: TokenPair, existing: BlobId, old_ticket: OldTicket) -> None:
    before = rejected(tokens.giver, "bad_ticket")
    time.sleep(max(0.0, old_ticket.until - time.monotonic()))  # the passing of this time is what is tested
    assert not lane_answers(existing, old_ticket.ticket)
    assert rejected(tokens.giver, "bad_ticket") == before + 1


def test_a_port_for_everybody_needs_a_secret() -> None:
    open_to_all = {"listen": f"0.0.0.0:{PORT}", "advertise": address(0), "token_file": None}
    with running_nodes(1, started=0, everywhere=open_to_all) as nodes, pytest.raises(ChildFailed) as caught:
        nodes.start(0)
    assert "exit status 2" in str(caught.value)
    assert f"peers.listen: '0.0.0.0:{PORT}' can be reached from other machines" in str(caught.value)
    assert "hint: set peers.token_file or peers.tls" in str(caught.value)
