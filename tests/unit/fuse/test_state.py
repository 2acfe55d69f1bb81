"""What one daemon tells the next about a connection."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cachefs.errors import MountError
from cachefs.fuse.state import ConnectionState
from cachefs.fuse.target import Target

STATE = ConnectionState(Target(Path("/models/a b"), (Path("/models"), Path("/models/a b"))), 45, True, False)


def test_it_survives_json() -> None:
    note = json.loads(json.dumps(STATE.as_note()))
    assert ConnectionState.from_note(note | {"later": 1}) == STATE


@pytest.mark.parametrize("key", ["path", "created", "minor", "passthrough", "resend"])
def test_anything_else_is_refused(key: str) -> None:
    note = STATE.as_note()
    del note[key]
    with pytest.raises(MountError, match="not the state"):
        ConnectionState.from_note(note)
    with pytest.raises(MountError, match="not the state"):
        ConnectionState.from_note(STATE.as_note() | {key: None})
