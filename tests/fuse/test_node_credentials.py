"""Credentials that end while somebody reads."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from benchmarks.ossserver import OssServer
from tests.fuse.node import CHUNK, running_node, some_bytes, write_token

TOKEN_FILE = "token.json"


def token_in_a_file(server: OssServer, where: Path) -> Mapping[str, object]:
    """A temporary credential in a file, as a sidecar writes it."""
    write_token(where / TOKEN_FILE, server.issue_sts_token(3600))
    return {"provider": "file", "path": str(where / TOKEN_FILE)}


def test_a_token_that_expires_in_mid_read_is_replaced_and_nobody_notices() -> None:
    """SEMANTICS S15."""
    content = some_bytes(32 * CHUNK)
    with running_node(credentials=token_in_a_file) as node:
        node.put("m/data.raw", content)
        target = node.mount()
        token_file = node.daemon.settings.directory.parent / TOKEN_FILE
        with (target / "data.raw").open("rb", buffering=0) as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
            assert os.pread(file.fileno(), 4096, 0) == content[:4096]
            node.server.expire_sts_tokens()
            write_token(token_file, node.server.issue_sts_token(3600))
            for chunk in range(32):
                offset = chunk * CHUNK
                assert os.pread(file.fileno(), 4096, offset) == content[offset : offset + 4096]
        assert content[:4096] in (target / "data.raw").read_bytes()


def test_a_token_nobody_replaces_is_a_clear_failure() -> None:
    with running_node(credentials=token_in_a_file) as node:
        node.put("m/a", b"x")
        node.server.expire_sts_tokens()
        state = node.daemon.call(
            "PUT",
            "/mounts/m?wait=30",
            {"source": "oss://models/m/", "mount_path": str(node.daemon.settings.directory / "mounts" / "m")},
        )
        assert state["state"] == "failed"
        assert state["error"]["code"] == "credentials_expired"
        assert "newer token" in state["error"]["hint"]
