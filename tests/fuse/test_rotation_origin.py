"""Credentials of an origin in a secret that Kubernetes mounts: a new version counts, in mid-read, with no restart."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path

from benchmarks.ossserver import OssServer, StsToken
from tests.fuse.node import CHUNK, running_node, some_bytes
from tests.secret_volume import SecretVolume

NAME = "oss.json"


def document(token: StsToken) -> dict[str, bytes]:
    fields = {
        "AccessKeyId": token.access_key_id,
        "AccessKeySecret": token.access_key_secret,
        "SecurityToken": token.security_token,
        "Expiration": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(token.expires_at)),
    }
    return {NAME: json.dumps(fields).encode()}


def test_a_secret_that_kubernetes_replaces_is_read_again() -> None:
    content, volumes = some_bytes(4 * CHUNK), list[SecretVolume]()

    def in_a_secret(server: OssServer, where: Path) -> Mapping[str, object]:
        volumes.append(SecretVolume(where / "secret", document(server.issue_sts_token(3600))))
        return {"provider": "file", "path": str(volumes[0].path(NAME))}

    with running_node(credentials=in_a_secret) as node:
        names = [f"{number}.raw" for number in range(4)]
        for name in names:
            node.put(f"m/{name}", content)
        target = node.mount()
        for name in names:
            with (target / name).open("rb", buffering=0) as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
                for chunk in range(4):
                    if chunk == 1:  # one read says nothing about the next: no request is on its way
                        node.server.expire_sts_tokens()
                        volumes[0].put(document(node.server.issue_sts_token(3600)))
                    offset = chunk * CHUNK
                    assert os.pread(file.fileno(), 4096, offset) == content[offset : offset + 4096]
        assert "credentials_expired" not in node.log
