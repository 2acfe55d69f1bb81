"""What is called: a daemon with an OSS bucket and a directory that it may read, and an address with a token."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path

from benchmarks.node.daemon import Daemon, DaemonSettings
from benchmarks.node.oss import BUCKET, OssProcess
from benchmarks.node.resources import Resources

TOKEN = "fuzz-" + "0123456789abcdef"
CAPACITY_BYTES = 64 << 20
FILE_BYTES = 3 << 20
"""Of each file: a few chunks of `CHUNK_BYTES`."""

CHUNK_BYTES = 1 << 20
SHARDS = 3


@dataclass(frozen=True, slots=True)
class World:
    """A running daemon, and what callers of it can name."""

    daemon: Daemon
    url: str
    sources: tuple[str, ...]
    mount_paths: tuple[str, ...]


def build(resources: Resources, where: Path) -> World:
    """Start it; `resources` ends it."""
    oss = resources.enter(OssProcess(where / "oss"))
    oss.wait_ready()
    model = where / "model"
    _write_model(model)
    bucket = oss.put_tree("model", model)
    settings = _settings(where, oss.origin(), model)
    daemon = resources.enter(Daemon(settings))
    daemon.wait_ready()
    roots = settings.directory / "mounts"
    paths = tuple(str(roots / name) for name in ("a", "b", "c/d"))
    return World(daemon, f"http://{_listen(settings)}", (bucket, f"file://{model}/", f"oss://{BUCKET}/none/"), paths)


def _write_model(directory: Path) -> None:
    directory.mkdir()
    (directory / "config.json").write_text("{}")
    for number in range(SHARDS):
        (directory / f"model-{number}.safetensors").write_bytes(bytes([number]) * FILE_BYTES)


def _settings(where: Path, origin: dict[str, object], model: Path) -> DaemonSettings:
    node = where / "node"
    node.mkdir()
    token_file = where / "tokens"
    token_file.write_text(TOKEN + "\n")
    token_file.chmod(0o600)
    sections: dict[str, dict[str, object]] = {
        "api": {"listen": f"127.0.0.1:{_free_port()}", "token_file": str(token_file)},
        "cache": {"chunk_bytes": CHUNK_BYTES},
        "mounts": {"allowed_sources": [f"oss://{BUCKET}/", f"file://{model}"], "drain": 0},
    }
    return DaemonSettings(node, CAPACITY_BYTES, origin, sections=sections)


def _listen(settings: DaemonSettings) -> str:
    return str(settings.sections["api"]["listen"])


def _free_port() -> int:
    """Free a moment ago; a daemon that finds it taken says so and ends."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
