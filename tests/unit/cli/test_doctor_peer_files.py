"""Tokens and certificates as the doctor sees them."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from cli.doctor.finding import Level
from cli.doctor.peer_files import SOON_SECONDS, certificate, handshake, probe, token
from mows.config import PeersSection, Tls
from mows.units import Address
from tests.certificates import Authority, Pair

HOST = "127.0.0.1"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("others"), "stranger")


@pytest.fixture(scope="module")
def node(authority: Authority) -> Pair:
    return authority.sign("node-a")


def test_a_token_for_the_daemon_alone(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("secret\n")
    path.chmod(0o600)
    assert token(path).level is Level.OK
    path.chmod(0o644)
    assert token(path).level is Level.WARN
    assert "chmod" in token(path).remedy


def test_a_token_file_that_cannot_be_used_fails_without_the_token(tmp_path: Path) -> None:
    assert token(tmp_path / "none").level is Level.FAIL
    (tmp_path / "token").write_text("two words")
    found = token(tmp_path / "token")
    assert found.level is Level.FAIL
    assert "two words" not in found.message


def test_a_certificate_that_others_accept(node: Pair, authority: Authority) -> None:
    found = certificate(Tls(node.cert, node.key, authority.cert), HOST, time.time())
    assert (found.level, found.remedy) == (Level.OK, "")
    assert f"{node.cert} is good for" in found.message


def test_one_that_runs_out_soon(node: Pair, authority: Authority) -> None:
    tls = Tls(node.cert, node.key, authority.cert)
    ends_at = handshake(tls, HOST)
    found = certificate(tls, HOST, ends_at - SOON_SECONDS + 1)
    assert found.level is Level.WARN
    assert "is good for 6 d 23 h" in found.message


def test_one_that_has_run_out(authority: Authority) -> None:
    old = authority.sign("old", days=-1)
    found = certificate(Tls(old.cert, old.key, authority.cert), HOST, time.time())
    assert (found.level, found.message) == (Level.FAIL, f"{old.cert}: certificate has expired")


def test_one_of_another_authority(node: Pair, stranger: Authority) -> None:
    found = certificate(Tls(node.cert, node.key, stranger.cert), HOST, time.time())
    assert found.level is Level.FAIL
    assert "issuer" in found.message


def test_one_for_another_address(node: Pair, authority: Authority) -> None:
    found = certificate(Tls(node.cert, node.key, authority.cert), "10.0.0.1", time.time())
    assert found.level is Level.FAIL
    assert "10.0.0.1" in found.message
    assert "10.0.0.1" in found.remedy


def test_files_that_do_not_fit(node: Pair, authority: Authority) -> None:
    found = certificate(Tls(authority.cert, node.key, authority.cert), HOST, time.time())
    assert found.level is Level.FAIL
    assert "peers.tls.cert" in found.message


def test_only_what_is_configured_is_looked_at(node: Pair, authority: Authority, tmp_path: Path) -> None:
    listen = Address("127.0.0.1:9302")
    assert list(probe(PeersSection(listen=listen))) == []
    both = PeersSection(listen=listen, token_file=tmp_path / "none", tls=Tls(node.cert, node.key, authority.cert))
    assert [(one.name, one.level) for one in probe(both)] == [
        ("peer token", Level.FAIL),
        ("peer certificate", Level.OK),
    ]
