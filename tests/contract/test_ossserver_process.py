"""The OSS test server in a process of its own, steered through its control port."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from benchmarks.ossserver import Control
from benchmarks.ossserver.control import ControlFailed, perform

ROOT = Path(__file__).parents[2]


@contextmanager
def running(root: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    command = [sys.executable, "-m", "benchmarks.ossserver", "--root", str(root), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            assert process.stdout is not None
            yield process, json.loads(process.stdout.readline())
        finally:
            process.terminate()


def fetch(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=30) as response:
        body: bytes = response.read()
        return body


def status_of(url: str) -> int:
    with pytest.raises(urllib.error.HTTPError) as caught:
        fetch(url)
    with caught.value as refused:
        return refused.code


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_starts_serves_and_stops(tmp_path: Path, number: signal.Signals) -> None:
    data, root = tmp_path / "data", tmp_path / "root"
    data.mkdir()
    (data / "f").write_bytes(b"hello")
    with running(root, "--bucket", "empty", "--tree", "models", "m/", str(data), "--anonymous") as (process, ready):
        assert fetch(f"{ready['endpoint']}/models/m/f") == b"hello"
        assert b"<IsTruncated>false" in fetch(f"{ready['endpoint']}/empty/")
        process.send_signal(number)
        assert process.wait(30) == 0
    assert list(root.iterdir()) == []
    assert (data / "f").read_bytes() == b"hello"


def test_control(tmp_path: Path) -> None:
    with running(tmp_path / "root", "--anonymous", "--bucket", "models") as (_, ready):
        control, url = Control(ready["control"]), f"{ready['endpoint']}/models/f"
        (tmp_path / "f").write_bytes(b"hello")
        control.call("put_file", bucket="models", key="f", path=str(tmp_path / "f"))
        assert control.call("keys", bucket="models") == ["f"]
        control.call("faults.throttle", count=1)
        assert status_of(url) == 503
        assert fetch(url) == b"hello"
        control.call("stop")
        with pytest.raises(urllib.error.URLError):
            fetch(url)
        control.call("start")
        assert fetch(url) == b"hello"
        counted = control.call("statistics")
        assert counted["bytes_by_object"] == {"models/f": 10}
        assert counted["statuses"] == {"503": 1, "200": 2}
        with pytest.raises(ControlFailed, match="NoSuchBucket"):
            control.call("keys", bucket="nothing-there")
        token = control.call("issue_sts_token", seconds=60)
        assert token["access_key_id"].startswith("STS.")


def test_signatures_are_asked_for_by_default(tmp_path: Path) -> None:
    with running(tmp_path / "root", "--bucket", "models") as (_, ready):
        assert status_of(f"{ready['endpoint']}/models/f") == 403


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"no json", "JSONDecodeError"),
        (b'{"call": "os.system"}', "KeyError"),
        (b'{"call": "add", "arguments": {"wrong": 1}}', "TypeError"),
    ],
)
def test_calls_that_cannot_be_made(body: bytes, error: str) -> None:
    status, answer = perform({"add": lambda left, right: left + right}, body)
    assert (status, answer["error"].split(":")[0]) == (400, error)


def test_calls_that_can() -> None:
    body = b'{"call": "add", "arguments": {"left": 1, "right": 2}}'
    assert perform({"add": lambda left, right: left + right}, body) == (200, {"result": 3})
