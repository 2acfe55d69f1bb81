"""Where keys are read from, and what is said when there are none."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from cachefs.origin import CredentialSettings
from cachefs.origin.key_sources import EcsRoleKeys, EnvironmentKeys, FileKeys, ProcessKeys, open_credentials
from cachefs.origin.keys import InvalidKeys, Keys, parse_keys

DOCUMENT = {
    "AccessKeyId": "id",
    "AccessKeySecret": "s3cret",
    "SecurityToken": "t0ken",
    "Expiration": "2026-11-23T10:00:00Z",
}
KEYS = Keys("id", "s3cret", "t0ken", 1795428000.0)


def test_document() -> None:
    assert parse_keys(json.dumps(DOCUMENT)) == KEYS
    assert parse_keys('{"AccessKeyId": "id", "AccessKeySecret": "s"}') == Keys("id", "s")
    assert "s3cret" not in repr(KEYS)
    assert "t0ken" not in repr(KEYS)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ("", "not a JSON document"),
        ("[1]", "not a JSON object"),
        ("{}", "AccessKeyId is missing"),
        (json.dumps({**DOCUMENT, "AccessKeySecret": ""}), "AccessKeySecret is missing"),
        (json.dumps({**DOCUMENT, "AccessKeySecret": 7}), "AccessKeySecret is missing or not a text"),
        (json.dumps({**DOCUMENT, "SecurityToken": []}), "SecurityToken"),
        (json.dumps({**DOCUMENT, "Expiration": "tomorrow"}), "Expiration is not a date: 'tomorrow'"),
        (json.dumps({**DOCUMENT, "Code": "Failed"}), "Code is 'Failed'"),
    ],
)
def test_documents_that_are_none(document: str, said: str) -> None:
    with pytest.raises(InvalidKeys, match=said) as caught:
        parse_keys(document)
    assert "s3cret" not in str(caught.value)


def test_environment() -> None:
    aliyun = {"ALIBABA_CLOUD_ACCESS_KEY_ID": "a", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "b"}
    oss = {"OSS_ACCESS_KEY_ID": "c", "OSS_ACCESS_KEY_SECRET": "d", "OSS_SESSION_TOKEN": "e"}
    assert EnvironmentKeys({**aliyun, **oss}).fetch() == Keys("a", "b")
    assert EnvironmentKeys(oss).fetch() == Keys("c", "d", "e")
    with pytest.raises(InvalidKeys, match="OSS_ACCESS_KEY_ID"):
        EnvironmentKeys({"OSS_ACCESS_KEY_ID": "alone"}).fetch()


def test_file(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    source = FileKeys(path)
    with pytest.raises(InvalidKeys, match="No such file"):
        source.fetch()
    assert source.stamp() is None
    path.write_text(json.dumps(DOCUMENT))
    assert source.fetch() == KEYS
    before = source.stamp()
    os.utime(path, ns=(1, 1))
    assert source.stamp() != before
    assert source.name == str(path)


def test_process(tmp_path: Path) -> None:
    path = tmp_path / "with blank.json"
    path.write_text(json.dumps(DOCUMENT))
    assert ProcessKeys(f"cat '{path}'").fetch() == KEYS
    assert ProcessKeys("program --secret x").name == "the command program"


@pytest.mark.parametrize(
    ("command", "said"),
    [("false", "exit status 1"), ("/no/such/program", "No such file"), ("echo nothing", "not a JSON document")],
)
def test_processes_that_fail(command: str, said: str) -> None:
    with pytest.raises(InvalidKeys, match=said):
        ProcessKeys(command).fetch()


@contextmanager
def metadata_service(*, role: str = "node-role") -> Iterator[str]:
    """The metadata service of ECS in its hardened mode: no token, no answer."""

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            lifetime = self.headers.get("X-aliyun-ecs-metadata-token-ttl-seconds", "")
            self._say(200 if self.path == "/latest/api/token" and lifetime.isdecimal() else 400, "the-token")

        def do_GET(self) -> None:
            base = "/latest/meta-data/ram/security-credentials/"
            if self.headers.get("X-aliyun-ecs-metadata-token") != "the-token":
                self._say(403, "")
            elif self.path == base:
                self._say(200, f"{role}\n")
            elif self.path == base + role:
                self._say(200, json.dumps({**DOCUMENT, "Code": "Success", "LastUpdated": "2026-11-23T04:00:00Z"}))
            else:
                self._say(404, "")

        def _say(self, status: int, text: str) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_ecs_role() -> None:
    with metadata_service() as url:
        assert EcsRoleKeys("node-role", url).fetch() == KEYS
        assert EcsRoleKeys("", url).fetch() == KEYS
        with pytest.raises(InvalidKeys, match="security-credentials/other: status 404"):
            EcsRoleKeys("other", url).fetch()
    with pytest.raises(InvalidKeys, match="PUT /latest/api/token"):
        EcsRoleKeys("node-role", url).fetch()


def test_every_provider_opens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "keys.json").write_text(json.dumps({**DOCUMENT, "Expiration": "2999-01-01T00:00:00Z"}))
    printing = f"{sys.executable} -c \"print(open('{tmp_path}/keys.json').read())\""
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "s3cret")
    for settings in (
        CredentialSettings(provider="static", access_key_id="id", access_key_secret="s3cret"),
        CredentialSettings(provider="env"),
        CredentialSettings(provider="file", path=str(tmp_path / "keys.json")),
        CredentialSettings(provider="process", command=printing),
    ):
        credentials = open_credentials(settings)
        assert credentials is not None
        assert credentials.get().access_key_secret == "s3cret"
    assert open_credentials(CredentialSettings(provider="ecs_ram_role")) is not None
    assert open_credentials(CredentialSettings(provider="anonymous")) is None
