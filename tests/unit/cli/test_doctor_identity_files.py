"""Tokens and certificates as the doctor sees them."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from cli.doctor.finding import Level
from cli.doctor.identity_files import SOON_SECONDS, certificate, handshake, of_api, of_peers, token
from mows.config import ApiSection, PeersSection, Tls
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
    assert token("peers", path).level is Level.OK
    path.chmod(0o644)
    assert token("peers", path).level is Level.WARN
    assert "chmod" in token("peers", path).remedy


def test_a_token_file_that_cannot_be_used_fails_without_the_token(tmp_path: Path) -> None:
    assert token("peers", tmp_path / "none").level is Level.FAIL
    (tmp_path / "token").write_text("two words")
    found = token("peers", tmp_path / "token")
    assert found.level is Level.FAIL
    assert "two words" not in found.message


def test_a_certificate_that_others_accept(node: Pair, authority: Authority) -> None:
    found = certificate("peers", Tls(node.cert, node.key, authority.cert), time.time(), host=HOST)
    assert (found.level, found.remedy) == (Level.OK, "")
    assert f"{node.cert} is good for" in found.message


def test_one_that_runs_out_soon(node: Pair, authority: Authority) -> None:
    tls = Tls(node.cert, node.key, authority.cert)
    ends_at = handshake(tls, HOST)
    found = certificate("peers", tls, ends_at - SOON_SECONDS + 1, host=HOST)
    assert found.level is Level.WARN
    assert "is good for 6 d 23 h" in found.message


def test_one_that_has_run_out(authority: Authority) -> None:
    old = authority.sign("old", days=-1)
    found = certificate("peers", Tls(old.cert, old.key, authority.cert), time.time(), host=HOST)
    assert (found.level, found.message) == (Level.FAIL, f"{old.cert}: certificate has expired")


def test_one_of_another_authority(node: Pair, stranger: Authority) -> None:
    found = certificate("peers", Tls(node.cert, node.key, stranger.cert), time.time(), host=HOST)
    assert found.level is Level.FAIL
    assert "issuer" in found.message


def test_one_for_another_address(node: Pair, authority: Authority) -> None:
    found = certificate("peers", Tls(node.cert, node.key, authority.cert), time.time(), host="10.0.0.1")
    assert found.level is Level.FAIL
    assert "10.0.0.1" in found.message
    assert "10.0.0.1" in found.remedy


def test_files_that_do_not_fit(node: Pair, authority: Authority) -> None:
    found = certificate("peers", Tls(authority.cert, node.key, authority.cert), time.time(), host=HOST)
    assert found.level is Level.FAIL
    assert "peers.tls.cert" in found.message


def test_only_what_is_configured_is_looked_at(node: Pair, authority: Authority, tmp_path: Path) -> None:
    listen = Address("127.0.0.1:9302")
    assert list(of_peers(PeersSection(listen=listen))) == []
    both = PeersSection(listen=listen, token_file=tmp_path / "none", tls=Tls(node.cert, node.key, authority.cert))
    assert [(one.name, one.level) for one in of_peers(both)] == [
        ("peer token", Level.FAIL),
        ("peer certificate", Level.OK),
    ]


def test_the_certificate_of_the_api_need_not_be_from_the_authority_of_its_callers(
    stranger: Authority, authority: Authority, tmp_path: Path
) -> None:
    assert list(of_api(ApiSection())) == []
    served = stranger.sign("served", days=2)
    (tmp_path / "token").write_text("secret")
    (tmp_path / "token").chmod(0o604)
    section = ApiSection(token_file=tmp_path / "token", tls=Tls(served.cert, served.key, authority.cert))
    can_be_read, ends_soon = of_api(section)
    assert (can_be_read.name, can_be_read.level) == ("API token", Level.WARN)
    assert (ends_soon.name, ends_soon.level) == ("API certificate", Level.WARN)
    assert f"{served.cert} is good for" in ends_soon.message


def test_one_of_the_api_that_has_run_out_or_does_not_fit(stranger: Authority, node: Pair) -> None:
    old = stranger.sign("old", days=-1)
    (expired,) = of_api(ApiSection(tls=Tls(old.cert, old.key)))
    assert (expired.level, expired.message) == (Level.FAIL, f"{old.cert}: certificate has expired")
    assert "renew" in expired.remedy
    (mixed,) = of_api(ApiSection(tls=Tls(old.cert, node.key)))
    assert (mixed.level, "api.tls.cert" in mixed.message) == (Level.FAIL, True)
