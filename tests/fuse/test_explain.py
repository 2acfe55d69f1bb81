"""Where the seconds of a load went, as a real daemon tells it of a real mount."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tests.fuse.daemon_process import Home, running

MODEL = bytes(range(256)) * 4096 * 24  # 24 chunks of 1 MiB


def test_a_cold_load_is_explained(tmp_path: Path) -> None:
    home = Home(tmp_path)
    (home.source / "model.safetensors").write_bytes(MODEL)
    with running(home) as daemon:
        daemon.put_mount()
        before = daemon.http.get("/v1/mounts/m/explain").json()
        assert before["bound_by"] is None
        read = (home.mounts / "m" / "model.safetensors").read_bytes()
        assert hashlib.sha256(read).digest() == hashlib.sha256(MODEL).digest()
        found = daemon.http.get("/v1/mounts/m/explain").json()
    assert found["elapsed_seconds"] > 0
    assert sum(found["seconds"].values()) == pytest.approx(found["elapsed_seconds"], abs=0.01)
    assert found["seconds"][found["bound_by"]] == max(found["seconds"].values())
    assert found["seconds"]["origin"] > 0
    assert found["seconds"]["peers"] == 0
    assert found["bytes"] == {"origin": len(MODEL), "peers": 0, "delivered": len(MODEL)}
