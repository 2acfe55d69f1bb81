"""Alibaba's connector for torch (C++, virtual-host addressing, V4) lists, reads and writes the OSS test server.

It only ever says ``bucket.endpoint``, so it runs in a mount namespace of its own, whose /etc/hosts leads the service's
real names to this machine.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.ossserver import OssServer, StsToken

HOST = "oss-cn-hangzhou.aliyuncs.com"
CHILD = Path(__file__).with_name("torchconnector_child.py")
DATA = {f"data/dir {number}/é+{number}.bin": bytes([number]) * (100_000 + number) for number in range(5)}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[OssServer]:
    with OssServer(tmp_path / "objects", allow_v1=False) as server:
        server.create_bucket("models")
        for key, data in DATA.items():
            server.put("models", key, data)
        yield server


def run_child(server: OssServer, tmp_path: Path, credentials: dict[str, str]) -> subprocess.CompletedProcess[str]:
    hosts, account, configuration = (tmp_path / name for name in ("hosts", "credentials.json", "config.json"))
    hosts.write_text(f"127.0.0.1 localhost {HOST} models.{HOST}\n")
    account.write_text(json.dumps(credentials))
    settings = {"prefetchConcurrency": 2, "prefetchWorker": 1}
    configuration.write_text(
        json.dumps(
            {
                "logLevel": 1,
                "logPath": str(tmp_path / "log"),
                "auditPath": str(tmp_path / "audit"),
                "datasetConfig": settings,
                "checkpointConfig": {**settings, "uploadConcurrency": 2},
            }
        )
    )
    inside = ["sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', str(hosts)]
    child = [
        sys.executable,
        str(CHILD),
        f"http://{HOST}:{server.port}",
        *map(str, (account, configuration, tmp_path / "answer")),
    ]
    command = ["unshare", "--mount", *inside, *child]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


def account_of(server: OssServer, token: StsToken | None = None) -> dict[str, str]:
    if token is None:
        ((access_key_id, secret),) = server.access_keys.items()
        return {"AccessKeyId": access_key_id, "AccessKeySecret": secret}
    return {
        "AccessKeyId": token.access_key_id,
        "AccessKeySecret": token.access_key_secret,
        "SecurityToken": token.security_token,
        "Expiration": "2099-01-01T00:00:00Z",
    }


@pytest.mark.parametrize("temporary", [False, True])
def test_it_lists_reads_and_writes(server: OssServer, tmp_path: Path, temporary: bool) -> None:
    account = account_of(server, server.issue_sts_token(3600) if temporary else None)
    result = run_child(server, tmp_path, account)
    assert result.returncode == 0, result.stderr
    answer = json.loads((tmp_path / "answer").read_text())
    assert answer["found"] == {f"/models/{key}": hashlib.sha256(data).hexdigest() for key, data in DATA.items()}
    assert answer["written"] == hashlib.sha256(b"hello" * 100_000).hexdigest()
    assert {record.status for record in server.statistics().log} <= {200, 204, 206}


def test_a_wrong_secret(server: OssServer, tmp_path: Path) -> None:
    result = run_child(server, tmp_path, account_of(server) | {"AccessKeySecret": "wrong"})
    assert result.returncode == 1
    assert "failed to list objects" in result.stderr
    assert {record.code for record in server.statistics().log} == {"SignatureDoesNotMatch"}


def test_a_token_that_has_ended(server: OssServer, tmp_path: Path) -> None:
    account = account_of(server, server.issue_sts_token(3600))
    server.expire_sts_tokens()
    assert run_child(server, tmp_path, account).returncode == 1
    assert {record.code for record in server.statistics().log} == {"SecurityTokenExpired"}
