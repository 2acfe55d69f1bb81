"""A real daemon with secrets of every kind, while everything fails: none of them comes out."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from benchmarks.node.daemon import DaemonRefused
from benchmarks.ossserver import OssServer
from tests.fuse.node import BUCKET, CHUNK, Node, running_node, some_bytes
from tests.waiting import eventually

SECRETS = {
    "access key": "wrong-access-key-secret-123456",
    "security token": "sts-token-abcdefghijklmnop",
    "account key": "azure-account-key-AAAABBBBCCCC==",
    "SAS": "sas-signature-123456",
    "redis password": "redis-password-123456",
    "peer token": "peer-token-0123456789abcdef0123456789abcdef",
    "API token": "api-token-0123456789abcdef0123456789abcdef",
    "guessed token": "guessed-token-0123456789",
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Leaky:
    node: Node
    api_port: int

    def over_tcp(self, path: str, token: str) -> int:
        request = Request(f"http://127.0.0.1:{self.api_port}{path}", headers={"Authorization": f"Bearer {token}"})
        try:
            with urlopen(request, timeout=30) as answer:
                return int(answer.status)
        except HTTPError as refusal:
            refusal.close()
            return refusal.code


def wrong_keys(server: OssServer, _: Path) -> dict[str, object]:
    return {
        "provider": "static",
        "access_key_id": next(iter(server.access_keys)),
        "access_key_secret": SECRETS["access key"],
        "security_token": SECRETS["security token"],
    }


@pytest.fixture
def leaky(tmp_path: Path) -> Iterator[Leaky]:
    tokens = {name: tmp_path / name.replace(" ", "-") for name in ("peer token", "API token")}
    for name, path in tokens.items():
        path.write_text(SECRETS[name])
        path.chmod(0o600)
    port = free_port()
    sections: dict[str, dict[str, object]] = {
        "api": {"listen": f"127.0.0.1:{port}", "token_file": str(tokens["API token"])},
        "peers": {
            "listen": "127.0.0.1:0",
            "token_file": str(tokens["peer token"]),
            "discovery": {"redis": f"redis://:{SECRETS['redis password']}@127.0.0.1:{free_port()}/0"},
        },
        "log": {"format": "json", "level": "debug"},
    }
    with running_node(sections=sections, credentials=wrong_keys) as node:
        yield Leaky(node, port)


def test_no_secret_comes_out_whatever_fails(leaky: Leaky) -> None:
    """SEMANTICS S24."""
    node = leaky.node
    for source in (
        f"oss://{BUCKET}/m/",
        f"https://127.0.0.1:1/x?sv=2026&sig={SECRETS['SAS']}",
        f"http://u:{SECRETS['SAS']}@h/",
    ):
        with suppress(DaemonRefused):  # what the daemon said is looked at below
            node.daemon.call("POST", "/prewarms", {"sources": [source]})
    eventually(lambda: "prewarm failed" in node.log, "the refusal of the keys")
    assert leaky.over_tcp("/v1/mounts", SECRETS["guessed token"]) == 401
    dump = node.daemon.call("GET", "/debug/dump")
    everything = node.log + json.dumps(dump)
    assert dump["recent"], "the failures are in the dump"
    assert [name for name, secret in SECRETS.items() if secret in everything] == []


def test_a_dump_is_for_callers_on_this_node_only(leaky: Leaky) -> None:
    assert leaky.over_tcp("/v1/mounts", SECRETS["API token"]) == 200
    assert leaky.over_tcp("/v1/debug/dump", SECRETS["API token"]) == 404


def test_a_dump_tells_what_a_reader_waits_for() -> None:
    with running_node() as node:
        node.put("m/w.safetensors", some_bytes(2 * CHUNK))
        node.server.faults.stall_body(10, 5.0, count=None)
        target = node.mount()
        job = node.daemon.call("POST", "/prewarms", {"sources": [f"oss://{BUCKET}/m/"]})

        def seen() -> set[str]:
            return {row["operation"] for row in node.daemon.call("GET", "/debug/dump")["operations"]}

        eventually(lambda: {"prewarm", "warm", "origin.read"} <= seen(), "the operations of a prewarm")
        node.server.faults.clear()
        eventually(lambda: node.daemon.call("GET", f"/prewarms/{job['id']}")["state"] == "warm", "the prewarm")
        assert (target / "w.safetensors").read_bytes() == some_bytes(2 * CHUNK)
        assert seen() == set()
