"""Planned faults between two nodes: hellos, messages, tickets, lanes and chunks fail, and every byte arrives right."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cachefs.errors import PeerBusy, PeerUnavailable
from cachefs.faults import PlannedFaults
from cachefs.fetch import Fetcher
from peer.faulty import LABELS, FaultyLink
from peer.node import PeerNode
from tests.fired import journal
from tests.unit.fetch.kit import settings
from tests.unit.peer.exchange.kit import KEY, TwinLink, identity
from tests.unit.peer.test_node import DATA, SIZE, Running, configured, running
from tests.waiting import until

CASES = [
    ("peer.hello", "errno", {}),
    ("peer.have", "errno", {}),
    ("peer.ticket", "errno", {}),
    ("peer.lane_connect", "errno", {}),
    ("peer.lane_chunk", "errno", {}),
    ("peer.lane_chunk", "short", {}),
    ("peer.lane_chunk", "slow", {}),
    ("peer.grpc_chunk", "errno", {"lane": False}),
    ("peer.grpc_chunk", "short", {"lane": False}),
]


@pytest.mark.parametrize(("label", "kind", "changes"), CASES)
async def test_a_reader_gets_its_bytes(tmp_path: Path, label: str, kind: str, changes: dict[str, object]) -> None:
    plan = tmp_path / "plan"
    row = {"label": label, "kind": kind, "errno": "ECONNRESET", "seconds": 0.01, "times": 2}
    plan.write_text(json.dumps({"faults": [row]}))
    faults = PlannedFaults(plan, labels=LABELS, fired=journal())
    async with running(tmp_path, configured("a", **changes)) as a:
        await a.warm()
        b = Running(tmp_path, configured("b", a.node.identity.address, **changes))
        b.node = PeerNode(configured("b", a.node.identity.address, **changes), b.store, faults)
        async with b.node, Fetcher(b.store, settings(), exchange=b.node.exchange) as b.fetcher:
            await until(lambda: "a" in b.peers)
            assert await b.read(0, SIZE) == DATA
        b.store.close()
    assert sum(faults._happened.values()) > 0


async def test_who_does_not_say_what_it_has_has_nothing(tmp_path: Path) -> None:
    plan = tmp_path / "plan"
    plan.write_text(
        json.dumps({"faults": [{"label": "peer.holds", "kind": "errno", "errno": "ETIMEDOUT", "times": 1}]})
    )
    twin = TwinLink(identity("a"))
    twin.holds = {KEY.blob_id}
    link = FaultyLink(twin, PlannedFaults(plan, fired=journal()))
    with pytest.raises(PeerUnavailable, match="planned fault"):
        await link.whole([KEY.blob_id])
    assert await link.whole([KEY.blob_id]) == {KEY.blob_id}


async def test_a_locate_fails_as_a_peer_would(tmp_path: Path) -> None:
    plan = tmp_path / "plan"
    plan.write_text(json.dumps({"faults": [{"label": "peer.locate", "kind": "errno", "errno": "EBUSY", "times": 1}]}))
    twin = TwinLink(identity("a"))
    link = FaultyLink(twin, PlannedFaults(plan, fired=journal()))
    with pytest.raises(PeerBusy, match="planned fault"):
        await link.locate(KEY.blob_id, 1, urgent=True)
    await link.locate(KEY.blob_id, 1, urgent=True)
    assert len(twin.located) == 1
