"""Records of prewarms, and the states that stand in them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cachefs.errors import CacheError, EmptySource, InTheWay, NoSpace
from mows.prewarm_records import PrewarmRecord, PrewarmRecords
from mows.prewarm_spec import PrewarmSpec
from mows.prewarm_state import Order, PrewarmState
from mows.prewarm_status import NodeStatus, PrewarmStatus, decode, encode
from mows.progress import ByteCounts

SPEC = PrewarmSpec(("oss://models/a/", "oss://models/b/*.bin"), 7200.0, Order.SIZE, 2e8, verify=True)
RECORD = PrewarmRecord("p1", SPEC, 1234.5, paused=True, nodes=("a", "b"))
STATUS = PrewarmStatus("p1", SPEC, PrewarmState.WARM, 3, ByteCounts(5, 4, 3, 2), 1.5, 0.0, -0.1, 0, 99.0)


def test_what_is_written_is_found(tmp_path: Path) -> None:
    records = PrewarmRecords(tmp_path / "prewarms")
    assert records.found() == []
    ended = replace(RECORD, prewarm_id="p2", nodes=None, ended=json.loads(json.dumps(encode(STATUS))), ended_at=7.0)
    records.write(RECORD)
    records.write(ended)
    records.write(RECORD)
    assert sorted(records.found(), key=lambda record: record.prewarm_id) == [RECORD, ended]
    for _ in range(2):
        records.remove("p1")
    assert records.found() == [ended]


@pytest.mark.expects_warnings
@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 2}', '{"format": 1, "spec": {}}'])
def test_what_is_no_record_is_forgotten(tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture) -> None:
    records = PrewarmRecords(tmp_path)
    (tmp_path / "p1.json").write_text(text)
    assert records.found() == []
    assert list(tmp_path.iterdir()) == []
    assert "record of prewarm lost" in caplog.text


@pytest.mark.expects_warnings
def test_a_disk_that_takes_nothing_costs_the_record_only(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    records = PrewarmRecords(tmp_path / "file")
    records.write(RECORD)
    records.remove("p1")


@pytest.mark.parametrize(
    "status",
    [
        STATUS,
        PrewarmStatus("p", SPEC, PrewarmState.PENDING),
        replace(STATUS, nodes=(NodeStatus("a", STATUS), NodeStatus("b", STATUS, "gone"))),
    ],
)
def test_a_state_as_json_and_back(status: PrewarmStatus) -> None:
    assert decode(json.loads(json.dumps(encode(status)))) == status


@pytest.mark.parametrize(
    "error", [EmptySource("nothing", hint="look"), NoSpace("full", in_the_way=[InTheWay("b", "u", 5, ("open",))])]
)
def test_an_error_keeps_its_kind(error: CacheError) -> None:
    found = decode(json.loads(json.dumps(encode(replace(STATUS, error=error))))).error
    assert isinstance(found, type(error))
    assert (str(found), found.hint) == (str(error), error.hint)
    assert getattr(found, "in_the_way", ()) == getattr(error, "in_the_way", ())


def test_errors_that_are_none_of_ours_keep_their_words() -> None:
    assert str(decode(encode(replace(STATUS, error=RuntimeError("oh")))).error) == "RuntimeError('oh')"
    told = encode(replace(STATUS, error=EmptySource("nothing")))
    told["error"]["code"] = "of_a_newer_version"
    assert type(decode(told).error) is CacheError


@pytest.mark.parametrize(
    "changes",
    [{"spec": None}, {"state": "odd"}, {"bytes": {"odd": 1}}, {"nodes": [1]}, {"files": "x"}, {"error": {}}],
)
def test_what_is_no_state(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode({**encode(STATUS), **changes})
