"""Prewarms of several nodes over twins: whom they are for, what is asked, what their states add up to."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from cachefs.errors import NoSpace, PeerProtocolError, PeerUnavailable
from mows.audit import NoAudit
from mows.errors import NoSuchNodes, PrewarmNotFound
from mows.fleet import Fleet, PrewarmAnswers
from mows.fleet_nodes import Member, chosen
from mows.fleet_prewarm import LOST_SECONDS, FleetPrewarm, combined, state_of
from mows.prewarm_spec import PrewarmSpec
from mows.prewarm_state import FINISHED, PrewarmState
from mows.prewarm_status import NodeStatus, PrewarmStatus, encode_spec
from mows.progress import ByteCounts
from peer.values import PeerId
from tests.unit.mows.twins import SOURCE, Clock, Node

State = PrewarmState
MEMBERS = [Member("b", "z2", "b:1"), Member("a", "z1", ""), Member("c", "z1", "c:1")]
SPEC = PrewarmSpec((SOURCE,), 60.0, rate=6e6)
ASKING = PeerId("b@0123456789abcdef")


@pytest.mark.parametrize(
    ("wish", "names"), [("all", "abc"), ("zone=z1", "ac"), ("zone=z2", "b"), ("c, a,c", "ca"), ("b", "b")]
)
def test_which_nodes(wish: str, names: str) -> None:
    assert chosen(wish, MEMBERS) == tuple(names)


@pytest.mark.parametrize("wish", ["d", "a,d", "zone=z3", "zone=", "", "a,"])
def test_no_such_nodes(wish: str) -> None:
    with pytest.raises(NoSuchNodes):
        chosen(wish, MEMBERS)


@pytest.mark.parametrize(
    ("states", "whole"),
    [
        ([State.WARM, State.WARM], State.WARM),
        ([State.WARM, State.FAILED], State.FAILED),
        ([State.WARM, State.CANCELLED], State.CANCELLED),
        ([State.FAILED, State.WARMING], State.WARMING),
        ([State.WARM, State.PENDING], State.WARMING),
        ([State.QUEUED, State.PAUSED], State.PAUSED),
        ([State.PENDING, State.PENDING], State.PENDING),
    ],
)
def test_the_state_of_the_whole(states: list[State], whole: State) -> None:
    assert state_of(states) is whole


def test_the_sums() -> None:
    one = PrewarmStatus("p-0", SPEC, State.WARMING, 2, ByteCounts(10, 5, 3, 2), 4.0, 9.0, None, 1, 100.0)
    two = replace(one, eta_seconds=12.0, warm_until=90.0)
    whole = combined("p", SPEC, State.WARMING, (NodeStatus("a", one), NodeStatus("b", two)))
    assert (whole.files, whole.bytes, whole.bytes_per_second) == (4, ByteCounts(20, 10, 6, 4), 8.0)
    assert (whole.eta_seconds, whole.warm_until, whole.corrupt_chunks) == (12.0, 90.0, 2)
    unknown = combined(
        "p", SPEC, State.WARMING, (NodeStatus("a", one), NodeStatus("b", replace(two, eta_seconds=None)))
    )
    assert unknown.eta_seconds is None


def test_the_error_of_the_worst_estimate_counts() -> None:
    nodes = tuple(
        NodeStatus("n", PrewarmStatus("p", SPEC, State.WARM, eta_error_ratio=ratio)) for ratio in (0.1, -0.3, None)
    )
    assert combined("p", SPEC, State.WARM, nodes).eta_error_ratio == -0.3


@dataclass
class Nodes:
    """Nodes that do as they are told, or as a test says."""

    states: dict[str, State] = field(default_factory=dict)
    errors: dict[str, Exception] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    heard: asyncio.Event = field(default_factory=asyncio.Event)

    async def until(self, node: str, action: str) -> None:
        """Return when the node is asked this the next time."""
        self.heard.clear()
        while (node, action) not in self.asked[-1:]:
            self.heard.clear()
            await self.heard.wait()

    async def ask(self, node: str, question: dict[str, Any]) -> PrewarmStatus | None:
        self.asked.append((node, question["action"]))
        self.heard.set()
        if node in self.errors:
            raise self.errors[node]
        if question["action"] == "delete":
            return None
        return PrewarmStatus(question["id"], SPEC, self.states.get(node, State.WARM))


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mows.fleet_prewarm.ASK_AGAIN_SECONDS", 0.001)


async def test_each_node_is_told_once_and_then_asked() -> None:
    nodes = Nodes({"b": State.WARMING})
    job = FleetPrewarm("p", SPEC, ("a", "b"), nodes, Clock())
    life = asyncio.create_task(job.run())
    await job.admitted(30.0)
    await nodes.until("b", "state")
    job.pause()
    await nodes.until("b", "pause")
    job.resume()
    await nodes.until("b", "resume")
    nodes.states["b"] = State.WARM
    await life
    assert job.state is State.WARM
    assert [ask for ask in nodes.asked if ask[0] == "a"] == [("a", "start")]
    assert nodes.asked.count(("b", "start")) == 1
    await job.withdraw()
    assert nodes.asked[-2:] == [("a", "delete"), ("b", "delete")]


async def test_a_node_that_is_silent_for_too_long_has_failed() -> None:
    clock, nodes = Clock(), Nodes(errors={"b": PeerUnavailable("nobody there")})
    job = FleetPrewarm("p", SPEC, ("a", "b"), nodes, clock)
    life = asyncio.create_task(job.run())
    await job.admitted(30.0)
    (_, part) = (await job.status()).nodes or ()
    assert (part.unheard, part.status.state) == ("nobody there", State.PENDING)
    clock.now += LOST_SECONDS + 1
    await life
    status = await job.status()
    assert (status.state, str(status.error), status.eta_seconds) == (State.FAILED, "nobody there", None)


async def test_a_node_that_lost_it_is_told_again() -> None:
    nodes = Nodes({"a": State.WARMING})
    job = FleetPrewarm("p", SPEC, ("a",), nodes, Clock())
    life = asyncio.create_task(job.run())
    await job.admitted(30.0)
    nodes.errors["a"] = PrewarmNotFound("none")
    await nodes.until("a", "state")
    del nodes.errors["a"]
    nodes.states["a"] = State.WARM
    await life
    assert nodes.asked.count(("a", "start")) >= 2


@pytest.mark.expects_warnings
async def test_what_a_node_refuses_is_its_error_and_deleting_goes_on_without_it() -> None:
    nodes = Nodes(errors={"a": NoSpace("full")})
    job = FleetPrewarm("p", SPEC, ("a", "b"), nodes, Clock())
    await job.run()
    assert (job.state, str((await job.status()).error)) == (State.FAILED, "full")
    await job.withdraw()
    assert ("b", "delete") in nodes.asked


async def test_the_rate_is_shared_out(node: Node) -> None:
    node.put_model()
    answers = PrewarmAnswers(node.prewarms, NoAudit())
    node.prewarms.join(Fleet(Member("node-a", "", ""), list, None, answers))
    job = node.prewarms.start_on("all", SPEC)
    while job.state not in FINISHED:
        await job.changed(30.0)
    status = await job.status()
    assert status.state is State.WARM
    assert status.nodes is not None
    assert [(part.node, part.status.spec.rate) for part in status.nodes] == [("node-a", 6e6)]
    await node.prewarms.delete(job.prewarm_id)
    assert node.prewarms.all() == []
    assert node.cache.pinned == set()


@pytest.mark.parametrize(
    "question",
    [
        b"",
        b"[]",
        b"{}",
        b'{"action": "x", "id": "p"}',
        b'{"action": "start", "id": "p"}',
        json.dumps({"action": "start", "id": "p", "spec": {**encode_spec(SPEC), "order": "odd"}}).encode(),
    ],
)
async def test_what_is_no_question(node: Node, question: bytes) -> None:
    with pytest.raises(PeerProtocolError):
        await PrewarmAnswers(node.prewarms, NoAudit()).to_peer(ASKING, question)


async def test_errors_are_answers(node: Node) -> None:
    answers = PrewarmAnswers(node.prewarms, NoAudit())
    answer = json.loads(await answers.to_peer(ASKING, b'{"action": "state", "id": "p"}'))
    assert answer["error"]["code"] == "prewarm_not_found"
    with pytest.raises(PrewarmNotFound):
        await Fleet(Member("a", "", ""), list, None, answers).ask("a", {"action": "state", "id": "p"})


@dataclass
class Saying:
    """A peer that says this."""

    text: bytes

    async def ask_prewarm(self, address: str, document: bytes, timeout_seconds: float) -> bytes:
        return self.text


@pytest.mark.parametrize("text", [b"", b"[]", b"{}"])
async def test_what_is_no_answer(node: Node, text: bytes) -> None:
    answers = PrewarmAnswers(node.prewarms, NoAudit())
    fleet = Fleet(MEMBERS[1], lambda: MEMBERS, Saying(text), answers)
    assert [member.node for member in fleet.members()] == ["a", "b", "c"]
    with pytest.raises(PeerProtocolError):
        await fleet.ask("b", {"action": "state", "id": "p"})
    with pytest.raises(PeerUnavailable):
        await fleet.ask("d", {"action": "state", "id": "p"})
