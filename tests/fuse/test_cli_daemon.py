"""The command line against a real daemon, real mounts and an OSS server that checks signatures."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cli import main
from cli.exit_codes import ExitCode
from tests.fuse.node import Node, running_node, some_bytes

FILES = {
    "config.json": b"{}",
    "model-00001.safetensors": some_bytes(5 << 20),
    "model-00002.safetensors": some_bytes(3 << 20),
}
SOURCE = "oss://models/m/"
SIZE_BYTES = sum(map(len, FILES.values()))

Run = Callable[..., int]


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    with running_node() as node:
        for name, data in FILES.items():
            node.put(f"m/{name}", data)
        node.put("m/a//b", b"no file system can show this")
        yield node


@pytest.fixture
def run(node: Node) -> Iterator[Run]:
    """`mows` with this daemon; afterwards nothing is mounted or cached any more."""
    socket = ("--socket", str(node.daemon.socket))
    yield lambda *words: main([*words, *socket])
    for mount in node.daemon.call("GET", "/mounts")["mounts"]:
        node.daemon.call("DELETE", f"/mounts/{mount['id']}")
    for prewarm in node.daemon.call("GET", "/prewarms")["prewarms"]:
        node.daemon.call("DELETE", f"/prewarms/{prewarm['id']}")
    node.daemon.call("POST", "/cache/evict", {"all": True})


@pytest.fixture
def target(node: Node) -> Path:
    return node.daemon.settings.directory / "mounts" / "m"


def document(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """What the last command printed with ``--json``."""
    printed: dict[str, Any] = json.loads(capsys.readouterr().out)
    return printed


def assert_shows_the_model(target: Path) -> None:
    assert {path.name: path.read_bytes() for path in target.iterdir()} == FILES


def test_mount_read_and_unmount(run: Run, target: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("mount", SOURCE, str(target)) == ExitCode.OK
    printed = capsys.readouterr()
    assert printed.out == f"mounted: {SOURCE} on {target} (3 files, 8.0 MiB)\n"
    assert f"note: 1 key that no file system can show: `mows ls --hidden {SOURCE}` says why" in printed.err
    assert_shows_the_model(target)
    assert run("mount", SOURCE, str(target)) == ExitCode.OK
    assert run("umount", str(target)) == ExitCode.OK
    assert not target.is_mount()


def test_warm_means_that_every_byte_is_here(run: Run, target: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("mount", SOURCE, str(target), "--warm", "--json") == ExitCode.OK
    mount = document(capsys)
    assert (mount["state"], mount["percent"]) == ("warm", 100.0)
    assert mount["bytes"]["local"] == mount["bytes"]["from_origin"] == SIZE_BYTES
    run("status")
    assert f"{target}" in capsys.readouterr().out


def test_ls_shows_what_is_cached_and_what_is_hidden(run: Run, target: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("mount", SOURCE, str(target), "--warm")
    capsys.readouterr()
    assert run("ls", SOURCE) == ExitCode.OK
    assert capsys.readouterr().out.splitlines() == sorted(FILES)
    run("ls", "-l", SOURCE)
    assert capsys.readouterr().out.count("100 %") == len(FILES)
    run("ls", "--hidden", SOURCE)
    assert capsys.readouterr().out.startswith("m/a//b\t")


def test_prewarm_waits_pins_and_can_be_cancelled(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("prewarm", SOURCE, "--lease", "1h", "--wait", "--json") == ExitCode.OK
    prewarm = document(capsys)
    assert (prewarm["state"], prewarm["percent"]) == ("warm", 100.0)
    assert prewarm["warm_until"] is not None
    run("cache", "ls", "--json")
    assert all(blob["pinned"] and blob["sealed"] for blob in document(capsys)["blobs"])
    assert run("cache", "evict", SOURCE) == ExitCode.CONFLICT
    assert run("prewarm", "--cancel", prewarm["id"]) == ExitCode.OK
    assert run("cache", "evict", SOURCE) == ExitCode.OK
    capsys.readouterr()
    run("cache", "ls", "--json")
    assert document(capsys) == {"blobs": []}


def test_verify_finds_flipped_bits(run: Run, node: Node, target: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("prewarm", SOURCE, "--wait")
    assert run("cache", "verify", SOURCE) == ExitCode.OK
    data = max(node.daemon.tier.glob("blobs/*/*/data"), key=lambda path: path.stat().st_size)
    with data.open("r+b") as file:
        file.write(b"flipped")
    assert run("cache", "verify", "--all") == ExitCode.CHECK_FAILED
    assert "corrupt, 1 bad chunks dropped" in capsys.readouterr().out
    run("mount", SOURCE, str(target))
    assert_shows_the_model(target)


def test_cache_pin_and_unpin(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    run("prewarm", SOURCE, "--wait", "--json")
    run("prewarm", "--cancel", document(capsys)["id"])
    assert run("cache", "pin", SOURCE) == ExitCode.OK
    assert run("cache", "evict", "--all") == ExitCode.CONFLICT
    assert run("cache", "unpin", SOURCE) == ExitCode.OK
    assert run("cache", "evict", "--all") == ExitCode.OK
    assert run("cache") == ExitCode.OK


def test_bench_compares_the_mount_with_the_caches_own_file(
    run: Run, node: Node, target: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("mount", SOURCE, str(target), "--warm")
    capsys.readouterr()
    assert run("bench", str(target), "--passes", "1", "--json") == ExitCode.OK
    report = document(capsys)
    assert report["bytes"] == len(FILES["model-00001.safetensors"])
    mounted, native = report["files"]
    assert mounted["path"] == str(target / "model-00001.safetensors")
    assert Path(native["path"]).is_relative_to(node.daemon.tier)
    assert min(mounted["read"], mounted["mapped"], native["read"], native["mapped"]) > 0


@pytest.mark.parametrize(
    ("source", "below", "code", "error"),
    [
        ("oss://models/none/", "m", ExitCode.NOT_FOUND, "source_empty"),
        ("oss://", "m", ExitCode.USAGE, "invalid_source"),
        ("nonsense://x/", "m", ExitCode.USAGE, "unknown_scheme"),
        (SOURCE, "../outside", ExitCode.USAGE, "target_not_allowed"),
    ],
)
def test_what_cannot_be_mounted_says_why(
    run: Run, target: Path, capsys: pytest.CaptureFixture[str], source: str, below: str, code: ExitCode, error: str
) -> None:
    assert run("mount", source, str(target.parent / below)) == code
    *_, message, hint = capsys.readouterr().err.splitlines()
    assert message.startswith("mows: ")
    assert message.endswith(f"({error})")
    assert hint.startswith("hint: ")


def test_another_source_on_the_same_target_is_a_conflict(run: Run, node: Node, target: Path) -> None:
    node.put("other/f", b"x")
    assert run("mount", SOURCE, str(target)) == ExitCode.OK
    assert run("mount", "oss://models/other/", str(target)) == ExitCode.CONFLICT
    assert run("mount", "oss://models/other/", str(target), "--id", "second") == ExitCode.CONFLICT
    assert_shows_the_model(target)


def test_doctor_is_content_with_a_good_node(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    config = node.daemon.settings.directory / "mows.yaml"
    assert main(["doctor", "--config", str(config), "--json"]) == ExitCode.OK
    findings = {finding["name"]: finding for finding in document(capsys)["findings"]}
    assert not [finding for finding in findings.values() if finding["level"] == "fail"]
    assert findings["test mount"]["level"] == "ok"
    assert findings["origin oss://models/"]["message"].startswith("may be listed (")
    assert findings[f"clock against {node.server.endpoint}"]["message"] == "agrees"
    assert findings["daemon"]["level"] == "ok"


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("access_key_secret: ", "access_key_secret: wrong-", "(origin_denied)"),
        ("capacity: ", "capacity: 9000", "is larger than its"),
        ("cache:", "cahce:", "(invalid_config)"),
    ],
)
def test_doctor_finds_what_is_wrong_with_a_configuration(
    run: Run, node: Node, tmp_path: Path, capsys: pytest.CaptureFixture[str], before: str, after: str, words: str
) -> None:
    text = (node.daemon.settings.directory / "mows.yaml").read_text()
    assert before in text
    (tmp_path / "mows.yaml").write_text(text.replace(before, after))
    assert run("doctor", "--config", str(tmp_path / "mows.yaml")) == ExitCode.CHECK_FAILED
    lines = capsys.readouterr().out.splitlines()
    failed = next(index for index, line in enumerate(lines) if line.startswith("fail"))
    assert words in lines[failed]
    assert lines[failed + 1].startswith("      -> ")
    assert not lines[-1].endswith("0 failures")


@contextmanager
def foreground(*words: str) -> Iterator[subprocess.Popen[str]]:
    """``mows mount --foreground`` as a process, ended with the block."""
    command = [sys.executable, "-m", "cli", "mount", "--foreground", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.terminate()


def mounted_line(process: subprocess.Popen[str]) -> str:
    """The line that says it can be read."""
    assert process.stdout is not None
    return process.stdout.readline()


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_foreground_uses_a_running_daemon_and_unmounts_at_the_end(
    run: Run, node: Node, target: Path, ending: signal.Signals
) -> None:
    with foreground(SOURCE, str(target), "--socket", str(node.daemon.socket)) as process:
        assert mounted_line(process).startswith("mounted: ")
        assert_shows_the_model(target)
        process.send_signal(ending)
        assert process.wait() == ExitCode.OK
    assert not target.is_mount()
    assert node.daemon.call("GET", "/mounts")["mounts"] == []


@pytest.fixture
def source(tmp_path: Path) -> Path:
    directory = tmp_path / "source"
    directory.mkdir()
    for name, data in FILES.items():
        (directory / name).write_bytes(data)
    return directory


def places(process: subprocess.Popen[str]) -> list[Path]:
    """Where the daemon in `process` keeps its things."""
    return [path for parent in ("/dev/shm", "/tmp") for path in Path(parent).glob(f"mows-foreground-{process.pid}-*")]


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_foreground_without_a_daemon_brings_its_own(tmp_path: Path, source: Path, ending: signal.Signals) -> None:
    target = tmp_path / "target"
    with foreground(f"file://{source}", str(target), "--warm", "--socket", str(tmp_path / "none")) as process:
        assert mounted_line(process).startswith("warm: ")
        assert_shows_the_model(target)
        assert len(places(process)) == 2
        process.send_signal(ending)
        assert process.wait() == ExitCode.OK
    assert not target.is_mount()
    assert places(process) == []


def test_foreground_with_a_configuration_runs_that_daemon(tmp_path: Path, source: Path) -> None:
    target = tmp_path / "mounts" / "m"
    config = {
        "node": {"state_dir": str(tmp_path / "state")},
        "api": {"socket": str(tmp_path / "s")},
        "cache": {"tiers": [{"path": str(tmp_path / "tier"), "capacity": "64MiB"}]},
        "mounts": {"allowed_roots": [str(target.parent)]},
    }
    (tmp_path / "mows.yaml").write_text(json.dumps(config))
    with foreground(f"file://{source}", str(target), "--config", str(tmp_path / "mows.yaml")) as process:
        assert mounted_line(process).startswith("mounted: ")
        assert main(["status", "--socket", str(tmp_path / "s")]) == ExitCode.OK
        process.send_signal(signal.SIGINT)
        assert process.wait() == ExitCode.OK
    assert (tmp_path / "tier").is_dir()


def test_foreground_that_cannot_mount_ends_with_the_reason_and_leaves_nothing(tmp_path: Path) -> None:
    target = tmp_path / "target"
    with foreground(f"file://{tmp_path}/none", str(target), "--socket", str(tmp_path / "none")) as process:
        _, error = process.communicate()
        assert process.returncode == ExitCode.NOT_FOUND
    assert error.splitlines()[-2].startswith("mows: cannot mount: ")
    assert places(process) == []


def test_a_daemon_that_cannot_start_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mows.yaml").write_text("cache: {tiers: [{path: /x, capacity: lots}]}\n")
    assert main(["daemon", "--config", str(tmp_path / "mows.yaml")]) == ExitCode.USAGE
    message, hint = capsys.readouterr().err.splitlines()
    assert message.startswith(f"mows: {tmp_path / 'mows.yaml'}: cache.tiers")
    assert message.endswith("(invalid_config)")
    assert hint.startswith("hint: ")


def test_a_second_daemon_on_the_same_state_is_a_conflict(node: Node) -> None:
    config = node.daemon.settings.directory / "mows.yaml"
    done = subprocess.run(
        [sys.executable, "-m", "cli", "daemon", "--config", str(config), "--json"], stdout=subprocess.PIPE, check=False
    )
    assert done.returncode == ExitCode.CONFLICT
    assert json.loads(done.stdout)["code"] == "daemon_running"
