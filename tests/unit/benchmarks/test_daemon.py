"""What the daemon of a run is told. That it runs is shown by tests/fuse/test_demo.py."""

from __future__ import annotations

from pathlib import Path

import yaml

from benchmarks.node.daemon import Daemon, DaemonSettings
from mows.config import load_config

ORIGIN = {"match": "oss://models/", "endpoint": "http://127.0.0.1:1", "region": "cn-hangzhou"}


def test_the_configuration_is_one_the_daemon_accepts(tmp_path: Path) -> None:
    daemon = Daemon(DaemonSettings(tmp_path / "node", 1 << 20, ORIGIN, passthrough="off"))
    config = load_config(tmp_path / "node" / "mows.yaml", {})
    assert config.api.socket == daemon.socket
    assert [(tier.path, tier.capacity_bytes) for tier in config.cache.tiers] == [(daemon.tier, 1 << 20)]
    assert config.fuse.passthrough == "off"
    assert config.origins[0].endpoint == ORIGIN["endpoint"]


def test_everything_lies_in_one_directory(tmp_path: Path) -> None:
    Daemon(DaemonSettings(tmp_path / "node", 1 << 20, ORIGIN))
    config = yaml.safe_load((tmp_path / "node" / "mows.yaml").read_text())
    paths = [config["node"]["state_dir"], config["api"]["socket"], *config["mounts"]["allowed_roots"]]
    assert all(Path(path).is_relative_to(tmp_path / "node") for path in paths)


def test_it_can_be_started_elsewhere_and_again_in_the_same_directory(tmp_path: Path) -> None:
    settings = DaemonSettings(tmp_path / "node", 1 << 20, ORIGIN, prefix=["echo"])
    for _ in range(2):
        with Daemon(settings) as daemon:
            daemon.process.wait()
    lines = daemon.log.read_text().splitlines()
    assert len(lines) == 2, "one run of echo after the other"
    assert all("cli daemon --config" in line for line in lines)
