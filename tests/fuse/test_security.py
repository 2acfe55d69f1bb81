"""What a caller may ask of a real daemon, and what the audit log says of it."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from pathlib import Path

from tests.fuse.daemon_process import Home, running
from tests.fuse.node import BUCKET, running_node
from tests.waiting import eventually


def test_what_is_not_allowed_is_neither_mounted_nor_prewarmed_nor_listed(tmp_path: Path) -> None:
    home = Home(tmp_path.resolve() / "node")
    (home.source / "weights.bin").write_bytes(b"bytes")
    home.sections["mounts"] = {"allowed_sources": [f"file://{home.source}"]}
    with running(home) as process:
        assert process.put_mount()["state"] == "mounted"
        for source in ("file:///etc", "http://169.254.169.254/latest/meta-data/"):
            body = {"source": source, "mount_path": str(home.mounts / "no")}
            refused = process.http.put("/v1/mounts/no", json=body)
            assert (refused.status_code, refused.json()["code"]) == (403, "source_not_allowed")
            listed = process.http.get("/v1/ls", params={"source": source})
            assert (listed.status_code, listed.json()["code"]) == (403, "source_not_allowed")
            prewarmed = process.http.post("/v1/prewarms", json={"sources": [source]})
            assert "source_not_allowed" in prewarmed.text
        assert process.stop() == 0
    assert "file:///etc" in (home.path / "state" / "audit.log").read_text()


def test_a_caller_on_the_socket_is_known_by_its_process(tmp_path: Path) -> None:
    home = Home(tmp_path.resolve() / "node")
    (home.source / "weights.bin").write_bytes(b"bytes")
    home.sections["api"] = {"socket_mode": "0600", "socket_group": "1"}
    with running(home) as process:
        socket = home.socket.stat()
        assert (stat.S_IMODE(socket.st_mode), socket.st_gid) == (0o600, 1)
        process.put_mount()
        assert process.stop() == 0
    (row,) = map(json.loads, (home.path / "state" / "audit.log").read_text().splitlines())
    assert (row["action"], row["caller"], row["id"], row["state"]) == (
        "mount", f"{os.getuid()}:{os.getpid()}", "m", "mounted",
    )  # fmt: skip


def test_an_instance_that_ends_with_its_process_is_recorded_as_the_daemons_own_doing() -> None:
    with running_node() as node, subprocess.Popen(["sleep", "infinity"]) as engine:
        node.put("m/weights", b"bytes")
        log = node.daemon.settings.directory / "state" / "audit.log"
        storage = [{"mount_path": "/mnt", "oss": {"path": f"oss://{BUCKET}/m/", "readOnly": True}}]
        try:
            node.daemon.call("PUT", "/instances/i?wait=60", {"storage": storage, "mows": {"process": engine.pid}})
        finally:
            engine.kill()
        eventually(lambda: len(log.read_text().splitlines()) == 2, "both lines")
        begun, ended = map(json.loads, log.read_text().splitlines())
    assert (begun["action"], begun["caller"], begun["storage"]) == (
        "instance",
        f"{os.getuid()}:{os.getpid()}",
        ["/mnt"],
    )
    assert (ended["action"], ended["caller"], ended["id"]) == ("instance delete", "mows", "i")
    assert ended["reason"] == "its process has ended"
