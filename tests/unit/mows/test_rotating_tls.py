"""Certificates of the API that are replaced while it is served."""

from __future__ import annotations

import contextlib
import shutil
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from mows.api.caller import caller_of
from mows.config import ApiSection, Tls
from mows.errors import ConfigError
from mows.peer_files import check_api_files
from mows.server import serving
from mows.sockets import tcp_socket
from mows.units import Address
from tests.certificates import Authority, Pair
from tests.secret_volume import SecretVolume


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers who asks."""
    await PlainTextResponse(caller_of(Request(scope).scope))(scope, receive, send)


@dataclass
class Place:
    """The files of the API, in a secret that Kubernetes mounts."""

    volume: SecretVolume

    def put(self, pair: Pair, ca: Path) -> None:
        """All three at once."""
        self.volume.put(files_of(pair, ca))

    @property
    def tls(self) -> Tls:
        return Tls(*map(self.volume.path, ("tls.crt", "tls.key", "ca.crt")))


def files_of(pair: Pair, ca: Path) -> dict[str, bytes]:
    return {"tls.crt": pair.cert.read_bytes(), "tls.key": pair.key.read_bytes(), "ca.crt": ca.read_bytes()}


@pytest.fixture(scope="module")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> list[Authority]:
    root = tmp_path_factory.mktemp("authorities")
    return [Authority(root, "old-ca"), Authority(root, "new-ca")]


@pytest.fixture
def place(tmp_path: Path, authorities: list[Authority]) -> Place:
    pair, ca = authorities[0].sign("api-old"), authorities[0].cert
    return Place(SecretVolume(tmp_path / "secret", files_of(pair, ca)))


@contextlib.asynccontextmanager
async def answering(tls: Tls) -> AsyncIterator[str]:
    with tcp_socket(Address("127.0.0.1:0")) as listener:
        async with serving(app, listener, tls=tls, stop_timeout_seconds=1.0):
            yield f"https://127.0.0.1:{listener.getsockname()[1]}"


def client(url: str, server: Authority, own: Pair | None) -> httpx.AsyncClient:
    trust = ssl.create_default_context(cafile=str(server.cert))
    if own is not None:
        trust.load_cert_chain(own.cert, own.key)
    return httpx.AsyncClient(verify=trust, base_url=url)


async def test_a_new_pair_and_authority_count_for_new_connections_and_break_no_old_one(
    place: Place, authorities: list[Authority]
) -> None:
    old, new = authorities
    before, after = old.sign("controller"), new.sign("successor")
    async with answering(place.tls) as url, client(url, old, before) as standing:
        assert (await standing.get("/")).text == "certificate:controller@127.0.0.1"
        place.put(new.sign("api-new"), new.cert)
        assert (await standing.get("/")).text == "certificate:controller@127.0.0.1"
        async with client(url, new, after) as fresh:
            assert (await fresh.get("/")).text == "certificate:successor@127.0.0.1"
        for own in (before, None):  # of the authority that is trusted no more; none
            async with client(url, new, own) as refused:
                with pytest.raises(httpx.TransportError):
                    await refused.get("/")


async def test_a_key_that_does_not_fit_yet_leaves_the_last_pair_in_use_and_is_said_once(
    place: Place, authorities: list[Authority], caplog: pytest.LogCaptureFixture
) -> None:
    old = authorities[0]
    own, changed = old.sign("controller"), old.sign("api-changed")
    async with answering(place.tls) as url:
        shutil.copy(changed.cert, place.tls.cert)
        for _ in range(2):
            async with client(url, old, own) as http:
                assert (await http.get("/")).status_code == 200
        shutil.copy(changed.key, place.tls.key)
        async with client(url, old, own) as http:
            assert (await http.get("/")).status_code == 200
    said = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert len(said) == 1
    assert "api.tls" in said[0]
    assert "the last certificate stays in use" in said[0]


def test_files_that_can_never_work_stop_the_start(place: Place, tmp_path: Path) -> None:
    check_api_files(ApiSection(tls=place.tls))
    with pytest.raises(ConfigError, match=r"api\.tls\.key: .*/none: No such file"):
        check_api_files(ApiSection(tls=Tls(place.tls.cert, tmp_path / "none")))
    with pytest.raises(ConfigError, match=r"api\.token_file: .*/none: No such file"):
        check_api_files(ApiSection(token_file=tmp_path / "none"))
