"""Tokens and certificates of the API are replaced under load: nobody is refused who should not be, nobody let in."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.certificates import Authority, Pair
from tests.fuse.daemon_process import WAIT_SECONDS, Home, running
from tests.secret_volume import SecretVolume
from tests.waiting import eventually

CLIENTS = 4
ROTATIONS = 5

ACTIONS = {"mount", "umount", "prewarm", "prewarm delete", "pin", "unpin", "verify", "evict"}


@dataclass
class Controller:
    """One caller, with a token of its own. Every other one makes a new connection for each request."""

    name: str
    home: Home
    port: int
    trust: ssl.SSLContext
    token: str
    fresh: bool
    stop: threading.Event
    rounds: int = 0
    asked: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def run(self) -> None:
        """Rounds of all actions, until it is told to stop; what goes wrong is kept, and ends it."""
        try:
            with contextlib.ExitStack() as stack:
                kept = None if self.fresh else stack.enter_context(self.connection())
                while not self.stop.is_set():
                    self.round(kept)
                    self.rounds += 1
        except Exception as error:  # noqa: BLE001 the border of this thread: the test looks at it
            self.failures.append(repr(error))

    def round(self, kept: http.client.HTTPSConnection | None) -> None:
        """Each action once, on a source and a mount of its own."""
        source = f"file://{self.home.source}/{self.name}"
        body = {"source": source, "mount_path": str(self.home.mounts / self.name)}
        self.ask(kept, "mount", "PUT", f"/v1/mounts/{self.name}?wait={WAIT_SECONDS:g}", body)
        prewarm = self.ask(kept, "prewarm", "POST", "/v1/prewarms", {"sources": [source]})["id"]
        for verb in ("pin", "verify", "unpin", "evict"):
            self.ask(kept, verb, "POST", f"/v1/cache/{verb}", {"source": source})
        self.ask(kept, "prewarm delete", "DELETE", f"/v1/prewarms/{prewarm}", None)
        self.ask(kept, "umount", "DELETE", f"/v1/mounts/{self.name}", None)

    def ask(self, kept: http.client.HTTPSConnection | None, action: str, method: str, path: str, body: object) -> Any:
        """The JSON of the answer. AssertionError when it is an error."""
        with contextlib.nullcontext(kept) if kept else self.connection() as connection:
            headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            text = answer.read()
        assert answer.status < 300, (action, answer.status, text)
        self.asked[action] += 1
        return json.loads(text) if text else {}

    def connection(self) -> contextlib.closing[http.client.HTTPSConnection]:
        return contextlib.closing(
            http.client.HTTPSConnection("127.0.0.1", self.port, context=self.trust, timeout=WAIT_SECONDS)
        )


def tokens_of(generation: int) -> dict[str, str]:
    return {f"c{number}": f"token-{number}-of-{generation}" for number in range(CLIENTS)}


def lines(*generations: int) -> bytes:
    """The token file in which these count."""
    return "".join(f"{name}:{token}\n" for each in generations for name, token in tokens_of(each).items()).encode()


def certificate(pair: Pair) -> dict[str, bytes]:
    return {"tls.crt": pair.cert.read_bytes(), "tls.key": pair.key.read_bytes()}


@dataclass
class Served:
    home: Home
    port: int
    authority: Authority
    tokens: SecretVolume
    tls: SecretVolume

    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.authority.cert))

    def status(self, token: str | None, path: str = "/v1/mounts") -> int:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=self.trust(), timeout=WAIT_SECONDS)
        with contextlib.closing(connection):
            connection.request("GET", path, headers=headers)
            return connection.getresponse().status

    def shown_name(self) -> str:
        """Of the certificate that a new connection sees."""
        with (
            socket.create_connection(("127.0.0.1", self.port), WAIT_SECONDS) as plain,
            self.trust().wrap_socket(plain, server_hostname="127.0.0.1") as connection,
        ):
            subject: Any = (connection.getpeercert() or {})["subject"]
            return str(dict(part[0] for part in subject)["commonName"])


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """A daemon whose API is on TCP with TLS and tokens, both from secrets that Kubernetes mounts."""
    home = Home(tmp_path.resolve() / "node")
    for name in tokens_of(0):
        (home.source / name).mkdir()
        (home.source / name / "weights.bin").write_bytes(name.encode() * 1000)
    authority = Authority(tmp_path)
    tokens = SecretVolume(tmp_path / "tokens", {"token": lines(0)})
    tls = SecretVolume(tmp_path / "tls", certificate(authority.sign("api-0")))
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    home.sections["api"] = {
        "listen": f"127.0.0.1:{port}",
        "token_file": str(tokens.path("token")),
        "tls": {"cert": str(tls.path("tls.crt")), "key": str(tls.path("tls.key"))},
    }
    with running(home) as process:
        yield Served(home, port, authority, tokens, tls)
        assert process.stop() == 0


@contextlib.contextmanager
def under_load(served: Served) -> Iterator[list[Controller]]:
    stop = threading.Event()
    controllers = [
        Controller(name, served.home, served.port, served.trust(), token, number % 2 == 0, stop)
        for number, (name, token) in enumerate(tokens_of(0).items())
    ]
    threads = [threading.Thread(target=controller.run, name=controller.name) for controller in controllers]
    for thread in threads:
        thread.start()
    try:
        yield controllers
    finally:
        stop.set()
        for thread in threads:
            thread.join(WAIT_SECONDS)


def one_more_round(controllers: list[Controller]) -> None:
    """Wait until each has begun and ended a round."""
    before = [controller.rounds for controller in controllers]
    eventually(
        lambda: all(c.failures or c.rounds >= then + 2 for c, then in zip(controllers, before, strict=True)), "rounds"
    )


def test_rotation_under_load_refuses_nobody_and_the_audit_log_has_each_action(served: Served) -> None:
    with under_load(served) as controllers:
        for generation in range(1, ROTATIONS + 1):
            served.tls.put(certificate(served.authority.sign(f"api-{generation}")))
            assert served.shown_name() == f"api-{generation}"
            served.tokens.put({"token": lines(generation, generation - 1)})
            for controller in controllers:
                controller.token = tokens_of(generation)[controller.name]
            one_more_round(controllers)  # none of them sends the old token any more
            served.tokens.put({"token": lines(generation)})
            assert served.status(tokens_of(generation - 1)["c0"]) == 401
    assert [controller.failures for controller in controllers] == [[]] * CLIENTS
    recorded = audit_of(served.home)
    assert {row["outcome"] for row in recorded} == {"ok"}
    assert all(row["request_id"] for row in recorded)
    for controller in controllers:
        caller = f"token:{controller.name}@127.0.0.1"
        assert Counter(row["action"] for row in recorded if row["caller"] == caller) == controller.asked
        assert set(controller.asked) == ACTIONS


def test_without_a_credential_nothing_answers(served: Served) -> None:
    paths = ["/v1/mounts", "/v1/cache", "/metrics", "/openapi.json", "/", "/v1/debug/dump", "/nowhere"]
    assert {path: served.status(None, path) for path in paths} == dict.fromkeys(paths, 401)
    assert {path: served.status("wrong", path) for path in paths} == dict.fromkeys(paths, 401)
    assert [served.status(None, probe) for probe in ("/healthz", "/readyz")] == [200, 200]
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", served.port, timeout=WAIT_SECONDS)) as plain:
        plain.request("GET", "/healthz")
        with pytest.raises((http.client.HTTPException, OSError)):
            plain.getresponse()
    assert audit_of(served.home) == []


def audit_of(home: Home) -> list[dict[str, Any]]:
    path = home.path / "state" / "audit.log"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
