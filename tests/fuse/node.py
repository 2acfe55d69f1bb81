"""A whole node for a test: the OSS test server in this process, a real daemon beside it, real mounts below it."""

from __future__ import annotations

import json
import multiprocessing
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.node.daemon import Daemon, DaemonSettings
from benchmarks.node.scratch import scratch
from benchmarks.ossserver import OssServer, StsToken

BUCKET = "models"
CHUNK = 1 << 20


@dataclass
class Node:
    """What a test holds in its hands."""

    server: OssServer
    daemon: Daemon

    def put(self, key: str, data: bytes) -> None:
        """Store an object, or overwrite it."""
        self.server.put(BUCKET, key, data)

    def mount(self, prefix: str = "m/", mount_id: str = "m") -> Path:
        """Mount a prefix of the bucket."""
        return self.daemon.mount(mount_id, f"oss://{BUCKET}/{prefix}")

    def sent_bytes(self) -> int:
        """Object bytes that left the origin."""
        return self.server.statistics().bytes_sent

    @property
    def log(self) -> str:
        """What the daemon has logged so far."""
        return self.daemon.log.read_text()


def some_bytes(size: int, seed: int = 1) -> bytes:
    """Reproducible bytes that do not compress or repeat."""
    return random.Random(seed).randbytes(size)


def origin_settings(server: OssServer, credentials: Mapping[str, object] | None = None) -> dict[str, object]:
    """The `origins` entry for `server`; static credentials unless others are given."""
    key_id, secret = next(iter(server.access_keys.items()))
    static = {"provider": "static", "access_key_id": key_id, "access_key_secret": secret}
    return {
        "match": f"oss://{BUCKET}/",
        "endpoint": server.endpoint,
        "region": server.region,
        "credentials": dict(credentials or static),
    }


def write_token(path: Path, token: StsToken) -> None:
    """Write a credentials file the way a sidecar does: a new file renamed over the old one."""
    document = {
        "AccessKeyId": token.access_key_id,
        "AccessKeySecret": token.access_key_secret,
        "SecurityToken": token.security_token,
        "Expiration": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(token.expires_at)),
    }
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(document))
    fresh.rename(path)


@contextmanager
def running_node(
    *,
    capacity_bytes: int = 1 << 30,
    sections: Mapping[str, Mapping[str, object]] | None = None,
    credentials: Callable[[OssServer, Path], Mapping[str, object]] | None = None,
) -> Iterator[Node]:
    """Start both and take both down. Chunks are 1 MiB, so that small objects have many."""
    with scratch(capacity_bytes // 4, prefix="mows-test-") as where, OssServer(where / "origin") as server:
        server.create_bucket(BUCKET)
        given = credentials(server, where) if credentials else None
        merged: dict[str, dict[str, object]] = {"cache": {"chunk_bytes": CHUNK}}
        for name, keys in (sections or {}).items():
            merged.setdefault(name, {}).update(keys)
        settings = DaemonSettings(where / "node", capacity_bytes, origin_settings(server, given), sections=merged)
        with Daemon(settings) as daemon:
            daemon.wait_ready()
            yield Node(server, daemon)


def in_processes(count: int, function: Callable[[Path], str], path: Path) -> list[str]:
    """Run `function(path)` in `count` new processes at once; their answers. Raises what one of them raised."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(count) as pool:
        return pool.map(function, [path] * count, chunksize=1)
