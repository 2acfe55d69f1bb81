"""What a daemon loads before it serves: every module more is time for which readers of the daemon before wait."""

from __future__ import annotations

import subprocess
import sys

NOT_FOR_SERVING = (
    "alibabacloud_oss_v2",
    "cachefs.origin.opening",
    "fastapi",
    "fsspec",
    "grpc",
    "importlib.metadata",
    "obstore",
    "peer.exchange",
    "peer.statistics",
    "prometheus_client",
    "uvicorn",
)


def test_a_daemon_serves_before_it_loads_peers_api_and_origins() -> None:
    program = "import sys, mows.__main__; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()).isdisjoint(NOT_FOR_SERVING)
