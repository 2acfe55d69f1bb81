"""Planned faults at an origin and its credentials: they look like an origin's own, and reads get through them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from cachefs.errors import (
    CredentialsExpired,
    ObjectChanged,
    OriginDenied,
    OriginError,
    OriginNotFound,
    OriginProtocolError,
    OriginThrottled,
    OriginTimeout,
    OriginUnavailable,
)
from cachefs.faults import PlannedFaults
from cachefs.fetch import Fetcher
from cachefs.origin.faulty import FaultyOrigin
from cachefs.origin.key_sources import open_credentials
from cachefs.origin.memory import MemoryOrigin
from cachefs.origin.settings import CredentialSettings
from cachefs.types import ByteRange, Deadline
from tests.fired import journal
from tests.unit.fetch.kit import CHUNK, content, no_account, open_store, read, settings

DATA = content(3 * CHUNK)
Plan = Callable[..., PlannedFaults]


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """Faults of these rows, noted as those of a daemon are."""

    def write(*rows: dict[str, object]) -> PlannedFaults:
        path = tmp_path / "plan"
        path.write_text(json.dumps({"seed": 3, "faults": rows}))
        return PlannedFaults(path, fired=journal())

    return write


@pytest.mark.parametrize(
    ("errno", "kind"),
    [
        ("ENOENT", OriginNotFound),
        ("EACCES", OriginDenied),
        ("ESTALE", ObjectChanged),
        ("EBUSY", OriginThrottled),
        ("ETIMEDOUT", OriginTimeout),
        ("EPROTO", OriginProtocolError),
        ("ECONNRESET", OriginUnavailable),
    ],
)
@pytest.mark.parametrize("label", ["origin.list", "origin.stat", "origin.read", "origin.piece"])
def test_a_fault_is_an_error_of_an_origin(plan: Plan, label: str, errno: str, kind: type[OriginError]) -> None:
    memory = MemoryOrigin()
    info = memory.put("k", DATA)
    origin = FaultyOrigin(memory, plan({"label": label, "kind": "errno", "errno": errno, "times": 1}))
    calls: dict[str, Callable[[], object]] = {
        "origin.list": lambda: list(origin.list("", Deadline.after(60))),
        "origin.stat": lambda: origin.stat("k", Deadline.after(60)),
    }
    call = calls.get(label, lambda: list(origin.read(info, ByteRange(0, 10), Deadline.after(60))))
    with pytest.raises(kind, match="planned fault") as caught:
        call()
    assert type(caught.value) is kind
    assert call()
    assert origin.authority == memory.authority


def test_a_short_piece_ends_the_body(plan: Plan) -> None:
    memory = MemoryOrigin()
    info = memory.put("k", DATA)
    origin = FaultyOrigin(memory, plan({"label": "origin.piece", "kind": "short", "times": 1}))
    pieces: list[bytes] = []
    with pytest.raises(OriginProtocolError, match="ended early"):
        pieces.extend(bytes(piece) for piece in origin.read(info, ByteRange(0, 10), Deadline.after(60)))
    assert pieces == [DATA[:5]]


async def test_readers_get_right_bytes_through_all_of_it(plan: Plan, tmp_path: Path) -> None:
    memory = MemoryOrigin()
    info = memory.put("k", DATA)
    rows: list[dict[str, object]] = [
        {"label": "origin.read", "kind": "errno", "errno": "ECONNRESET", "times": 2},
        {"label": "origin.piece", "kind": "short", "times": 3},
        {"label": "origin.piece", "kind": "slow", "seconds": 0.001, "times": 5},
    ]
    store = open_store(tmp_path)
    async with Fetcher(store, settings()) as fetcher:
        file = fetcher.open(info, FaultyOrigin(memory, plan(*rows)), account=no_account)
        assert await read(file, 0, len(DATA)) == DATA
        file.close()
    store.close()


def test_credentials_that_cannot_be_fetched_and_then_can(plan: Plan) -> None:
    wanted = CredentialSettings(provider="static", access_key_id="id", access_key_secret="secret")
    credentials = open_credentials(wanted, plan({"label": "origin.credentials", "kind": "errno", "times": 1}))
    assert credentials
    with pytest.raises(CredentialsExpired, match="planned fault"):
        credentials.get()
    assert credentials.get().access_key_id == "id"
