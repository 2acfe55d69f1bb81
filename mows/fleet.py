"""Prewarms of several nodes: what the nodes say to each other about them, in JSON, and who may be asked.

A question is ``{"action", "id", "spec"}``; the answer is the state of the prewarm or an error. This node asks itself in
the same way as others, so a prewarm of the fleet is nothing but ordinary prewarms, one on each of its nodes.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from cachefs.errors import CacheError, PeerProtocolError, PeerUnavailable
from mows.audit import Audit
from mows.fleet_nodes import Member
from mows.prewarm_status import PrewarmStatus, decode, decode_error, decode_spec, encode, encode_error
from mows.prewarms import Prewarms
from peer.values import PeerId

ASK_SECONDS = 10.0
"""Longer than a node waits for its own listing before it answers that it has begun."""

ADMISSION_SECONDS = 3.0

Question = dict[str, Any]
Answer = Callable[[PeerId, bytes], Awaitable[bytes]]


class Peers(Protocol):
    """The other nodes (`peer.node.PeerNode`)."""

    def ask_prewarm(self, address: str, document: bytes, timeout_seconds: float) -> Awaitable[bytes]:
        """What the node at `address` answers. Raises PeerError."""
        ...


class PrewarmAnswers:
    """Answers what nodes ask about prewarms of this one."""

    def __init__(self, prewarms: Prewarms, audit: Audit) -> None:
        self._prewarms = prewarms
        self._audit = audit

    async def to_peer(self, caller: PeerId, document: bytes) -> bytes:
        """As another node asks it; what it changed is in the audit log. Raises PeerProtocolError."""
        try:
            question = json.loads(document)
            action, prewarm_id = str(question["action"]), str(question["id"])
            answer = await self.answer(question)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise PeerProtocolError(f"not a question about a prewarm: {error!r}") from error
        if action != "state":
            sources = (question.get("spec") or {}).get("sources")
            outcome = (answer["error"] or {"code": "ok"})["code"]
            self._audit.record(f"prewarm {action}", f"peer:{caller}", id=prewarm_id, sources=sources, outcome=outcome)
        return json.dumps(answer).encode()

    async def answer(self, question: Question) -> dict[str, Any]:
        """The state or the error. Raises ValueError, KeyError and TypeError for what is no question."""
        try:
            status = await self._done(question["action"], question["id"], question.get("spec"))
        except CacheError as error:
            return {"status": None, "error": encode_error(error)}
        return {"status": status and encode(status), "error": None}

    async def _done(self, action: str, prewarm_id: str, spec: Question | None) -> PrewarmStatus | None:
        prewarms = self._prewarms
        if action == "delete":
            await prewarms.delete(prewarm_id)
            return None
        if action == "start":
            if spec is None:
                raise ValueError("nothing to start")
            job = prewarms.start(decode_spec(spec), prewarm_id)
            await job.settled(ADMISSION_SECONDS)
        else:
            change = {"state": None, "pause": prewarms.pause, "resume": prewarms.resume}[action]
            job = prewarms.get(prewarm_id) if change is None else await change(prewarm_id)
        return await job.status()


class Fleet:
    """Asks nodes by their names. Belongs to the loop."""

    def __init__(
        self, me: Member, others: Callable[[], Sequence[Member]], peers: Peers | None, answers: PrewarmAnswers
    ) -> None:
        self._me = me
        self._others = others
        self._peers = peers
        self._answers = answers

    def members(self) -> list[Member]:
        """The nodes that live, this one among them."""
        return [self._me, *(member for member in self._others() if member.node != self._me.node)]

    async def ask(self, node: str, question: Question) -> PrewarmStatus | None:
        """The state of the prewarm there, None after it was deleted.

        Raises PeerError when the node cannot be asked, and any other CacheError that it answers.
        """
        answer = await self._answer(node, question)
        if answer["error"] is not None:
            raise decode_error(answer["error"])
        return answer["status"] and decode(answer["status"])

    async def _answer(self, node: str, question: Question) -> dict[str, Any]:
        if node == self._me.node:
            return await self._answers.answer(question)
        address = next((member.address for member in self._others() if member.node == node), None)
        if self._peers is None or address is None:
            raise PeerUnavailable(f"node {node!r}: no peer of this name is up")
        text = await self._peers.ask_prewarm(address, json.dumps(question).encode(), ASK_SECONDS)
        try:
            answer = json.loads(text)
            return {"status": answer["status"], "error": answer["error"]}
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise PeerProtocolError(f"node {node!r}: not an answer about a prewarm: {error!r}") from error
