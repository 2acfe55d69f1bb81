"""Scratch space with something mounted in it."""

from __future__ import annotations

import subprocess

from benchmarks.node.scratch import scratch


def test_a_mount_inside_is_detached_before_all_is_removed() -> None:
    with scratch(1, prefix="mows-test-") as path:
        inner = path / "mounted"
        inner.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "none", inner], check=True)
        (inner / "file").write_bytes(b"x")
        assert inner.is_mount()
    assert not path.exists()
