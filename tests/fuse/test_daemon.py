"""The daemon as a process: started, used through its API and the kernel, stopped by a signal, started again."""

from __future__ import annotations

import asyncio
import json
import mmap
import os
import random
import signal
import socket
import subprocess
from pathlib import Path

import httpx
import pytest

from mows import daemon
from mows.config import load_config
from tests.fuse.daemon_process import WAIT_SECONDS, Home, Process, is_mounted, running, start

DATA = random.Random(1).randbytes(3_500_000)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path.resolve() / "node")
    (home.source / "sub").mkdir()
    (home.source / "weights.bin").write_bytes(DATA)
    (home.source / "sub" / "config.json").write_text("{}")
    return home


def log_of(home: Home) -> list[dict[str, object]]:
    return [json.loads(line) for line in (home.path / "log").read_text().splitlines()]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_from_start_to_stop(home: Home, number: signal.Signals) -> None:
    with running(home) as process:
        mounted = process.put_mount()
        target = home.mounts / "m"
        assert (mounted["state"], mounted["bytes"]["total"]) == ("mounted", len(DATA) + 2)
        assert (target / "weights.bin").read_bytes() == DATA
        assert (target / "sub" / "config.json").read_text() == "{}"
        assert process.http.get("/v1/mounts/m").json()["bytes"]["from_origin"] == len(DATA) + 2
        assert process.stop(number) == 0
    assert not is_mounted(target)
    assert list(home.mounts.iterdir()) == []
    assert not home.socket.exists()
    assert [row for row in log_of(home) if row["level"] != "INFO"] == []


def test_a_restart_reuses_the_cache_and_keeps_leases(home: Home) -> None:
    with running(home) as process:
        warm = process.put_mount(warm=True, lease="2h")
        assert (warm["state"], warm["percent"]) == ("warm", 100.0)
        assert process.stop() == 0
    with running(home) as process:
        mounted = process.put_mount()
        assert (mounted["percent"], mounted["warm_until"]) == (100.0, warm["warm_until"])
        assert (home.mounts / "m" / "weights.bin").read_bytes() == DATA
        assert process.http.get("/v1/mounts/m").json()["bytes"]["from_origin"] == 0
        blobs = process.http.get("/v1/cache/blobs").json()["blobs"]
        assert [blob["pinned"] for blob in blobs] == [True, True]
        assert process.stop() == 0


def test_an_open_mapping_does_not_keep_the_daemon(home: Home) -> None:
    with running(home) as process:
        process.put_mount()
        with (home.mounts / "m" / "weights.bin").open("rb") as file:
            mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        with mapping:
            assert mapping[:4] == DATA[:4]
            assert process.stop() == 0
            assert not is_mounted(home.mounts / "m")


def test_two_mounts_of_one_source_share_what_was_fetched(home: Home) -> None:
    with running(home) as process:
        process.put_mount("one", warm=True)
        second = process.put_mount("two", warm=True)
        assert (second["state"], second["bytes"]["from_origin"]) == ("warm", 0)
        assert (home.mounts / "one" / "weights.bin").read_bytes() == (home.mounts / "two" / "weights.bin").read_bytes()
        assert process.stop() == 0


def test_targets_that_cannot_be_mounted_on(home: Home) -> None:
    for name in ("full", "used"):
        (home.mounts / name).mkdir()
    (home.mounts / "full" / "file").write_text("precious")
    (home.mounts / "file").write_text("precious")
    (home.mounts / "out").symlink_to(home.path)
    subprocess.run(["mount", "-t", "tmpfs", "none", home.mounts / "used"], check=True)
    try:
        with running(home) as process:
            answers = {name: refused_mount(process, name) for name in ("full", "used", "file", "out", "out/below")}
            assert process.stop() == 0
    finally:
        subprocess.run(["umount", home.mounts / "used"], check=True)
    assert answers == {
        "full": (409, "invalid_target"),
        "used": (409, "invalid_target"),
        "file": (409, "invalid_target"),
        "out": (403, "target_not_allowed"),
        "out/below": (403, "target_not_allowed"),
    }


def refused_mount(process: Process, name: str) -> tuple[int, str]:
    """(status, code) of a request to mount on this target."""
    body = {"source": f"file://{process.home.source}", "mount_path": str(process.home.mounts / name)}
    response = process.http.put("/v1/mounts/refused", json=body)
    return response.status_code, response.json()["code"]


def test_the_second_daemon_on_one_state_directory_is_refused(home: Home) -> None:
    with running(home) as process:
        second = start(home)
        assert second.wait(WAIT_SECONDS) == 2
        message = (home.path / "log").read_text()
        assert f"in use by the daemon with process id {process.child.pid}" in message
        assert "hint: stop the other daemon" in message
        assert process.http.get("/healthz").status_code == 200
        assert process.stop() == 0


@pytest.mark.parametrize(
    ("section", "keys", "message"),
    [
        ("cache", {"tiers": [{"path": "/proc/mows", "capacity": "1MiB"}]}, "/proc/mows"),
        ("cache", {"tiers": [{"path": "{home}/tier", "capacity": "1PiB"}]}, "larger"),
        (
            "cache",
            {"tiers": [{"path": "{home}/t", "capacity": "1MiB"}, {"path": "{home}/t", "capacity": "1MiB"}]},
            "/t",
        ),
        ("daemon", {"stop_timout": "1s"}, "daemon.stop_timout: unknown key"),
        ("api", {"listen": "192.0.2.1:9301", "insecure": True}, "api.listen: 192.0.2.1:9301"),
        ("api", {"listen": "127.0.0.1:0", "token_file": "{home}/none"}, "api.token_file: "),
        ("peers", {"listen": "192.0.2.1:9302", "insecure": True}, "peers.listen: 192.0.2.1:9302"),
        ("peers", {"listen": "127.0.0.1:0", "token_file": "{home}/none"}, "peers.token_file: "),
    ],
)
def test_what_cannot_work_stops_the_start_with_one_message(
    home: Home, section: str, keys: dict[str, object], message: str
) -> None:
    home.sections[section] = json.loads(json.dumps(keys).replace("{home}", str(home.path)))
    assert start(home).wait(WAIT_SECONDS) == 2
    text = (home.path / "log").read_text()
    assert message in text
    assert "\n  hint: " in text
    assert "Traceback" not in text
    assert not home.socket.exists()


def test_a_stop_that_takes_too_long_ends_the_process(home: Home) -> None:
    home.sections = {"daemon": {"stop_timeout": "1ms"}, "mounts": {"drain": 0}}
    with running(home) as process:
        assert process.stop() == daemon.EXIT_STUCK
    assert "did not stop within 0.001 s" in str(log_of(home)[-1]["message"])


def test_the_environment_overrides_the_file_and_peers_are_listened_for(home: Home) -> None:
    environment = os.environ | {"MOWS_NODE__ID": "node-b", "MOWS_PEERS__LISTEN": "127.0.0.1:0"}
    with running(home, environment) as process:
        assert process.http.get("/healthz").json()["node"] == "node-b"
        peers = process.http.get("/v1/peers").json()
        assert (peers["enabled"], peers["configured"], peers["node"], peers["peers"]) == (True, True, "node-b", [])
        host, port = peers["address"].split(":")
        for port_of_both in (int(port), peers["lane_port"]):
            socket.create_connection((host, port_of_both), WAIT_SECONDS).close()
        assert process.stop() == 0
    assert [row for row in log_of(home) if row["level"] != "INFO"] == []


def test_progress_streams_over_the_socket(home: Home) -> None:
    with running(home) as process:
        job = process.http.post("/v1/prewarms", json={"sources": [f"file://{home.source}"]}).json()
        with process.http.stream("GET", f"/v1/prewarms/{job['id']}/events") as response:
            lines = list(response.iter_lines())
        last = json.loads(lines[-2].removeprefix("data: "))
        assert (lines[-3], last["state"], last["percent"]) == ("event: warm", "warm", 100.0)
        assert process.put_mount()["percent"] == 100.0
        assert process.stop() == 0


def test_tcp_needs_the_token(home: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    token = home.path / "token"
    token.write_text("secret\n")
    home.sections["api"] = {"listen": f"127.0.0.1:{port}", "token_file": str(token)}
    with running(home) as process:
        url = f"http://127.0.0.1:{port}"
        assert httpx.get(f"{url}/healthz").status_code == 200
        assert httpx.get(f"{url}/v1/mounts").status_code == 401
        assert httpx.get(f"{url}/v1/mounts", headers={"Authorization": "Bearer secret"}).status_code == 200
        assert process.stop() == 0


@pytest.fixture
def homes(tmp_path: Path) -> list[Home]:
    return [Home(tmp_path.resolve() / name) for name in ("one", "two")]


@pytest.mark.expects_warnings
async def test_two_daemons_in_one_process(homes: list[Home]) -> None:
    stop = asyncio.Event()
    started = [asyncio.Event() for _ in homes]
    async with asyncio.TaskGroup() as daemons:
        for home, ready in zip(homes, started, strict=True):
            daemons.create_task(daemon.serve(load_config(home.config), stop, ready=ready.set))
        for home, ready in zip(homes, started, strict=True):
            await ready.wait()
            transport = httpx.AsyncHTTPTransport(uds=str(home.socket))
            async with httpx.AsyncClient(transport=transport, base_url="http://mows") as http:
                body = {"source": "memory://bucket/", "mount_path": str(home.mounts / "m")}
                mount = (await http.put("/v1/mounts/m?wait=60", json=body)).json()
                assert mount["error"]["code"] == "source_empty"
                assert len((await http.get("/v1/mounts")).json()["mounts"]) == 1
        stop.set()
    assert [home.socket.exists() for home in homes] == [False, False]
