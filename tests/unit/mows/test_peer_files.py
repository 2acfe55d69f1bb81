"""Tokens and certificates that can never work stop the start, and the message says what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from mows.config import PeersSection, Tls
from mows.errors import ConfigError
from mows.peer_files import check_peer_files
from mows.units import Address
from tests.certificates import Authority, Pair, with_passphrase

LISTEN = Address("127.0.0.1:9302")


def with_token(path: Path) -> PeersSection:
    return PeersSection(listen=LISTEN, token_file=path)


def with_tls(cert: Path, key: Path, ca: Path) -> PeersSection:
    return PeersSection(listen=LISTEN, tls=Tls(cert, key, ca))


def refusal(peers: PeersSection) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        check_peer_files(peers)
    assert caught.value.hint
    return caught.value


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def node(authority: Authority) -> Pair:
    return authority.sign("node-a")


def test_neither_is_nothing_to_check() -> None:
    check_peer_files(PeersSection(listen=LISTEN))


def test_a_file_with_tokens(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("new\nold\n")
    check_peer_files(with_token(tmp_path / "token"))


@pytest.mark.parametrize(
    ("content", "wrong"),
    [("", "holds no token"), ("\n \n", "holds no token"), ("good\ntwo words\n", "has a space"), ("Ge heim", "a space")],
)
def test_a_token_file_that_cannot_be_used(tmp_path: Path, content: str, wrong: str) -> None:
    (tmp_path / "token").write_text(content)
    error = refusal(with_token(tmp_path / "token"))
    assert str(error).startswith(f"peers.token_file: {tmp_path / 'token'}: ")
    assert wrong in str(error)
    assert "openssl rand" in error.hint


def test_a_token_file_that_is_not_there(tmp_path: Path) -> None:
    assert "peers.token_file: /no/token: No such file" in str(refusal(with_token(Path("/no/token"))))
    assert "Is a directory" in str(refusal(with_token(tmp_path)))


def test_certificates_that_fit(node: Pair, authority: Authority) -> None:
    check_peer_files(with_tls(node.cert, node.key, authority.cert))


def test_a_certificate_that_has_run_out_does_not_stop_the_start(authority: Authority) -> None:
    old = authority.sign("old", days=-1)
    check_peer_files(with_tls(old.cert, old.key, authority.cert))


def test_a_file_that_is_not_there_is_named_by_its_key(node: Pair, authority: Authority) -> None:
    gone = Path("/no/such.pem")
    assert "peers.tls.cert: /no/such.pem: No such file" in str(refusal(with_tls(gone, node.key, authority.cert)))
    assert "peers.tls.key: /no/such.pem" in str(refusal(with_tls(node.cert, gone, authority.cert)))
    assert "peers.tls.ca: /no/such.pem" in str(refusal(with_tls(node.cert, node.key, gone)))


def test_a_key_of_another_certificate(node: Pair, authority: Authority) -> None:
    error = refusal(with_tls(authority.cert, node.key, authority.cert))
    assert f"peers.tls.cert, peers.tls.key: {authority.cert}, {node.key}: key values mismatch" in str(error)


def test_what_is_not_pem(node: Pair, authority: Authority, tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("hello")
    assert str(text) in str(refusal(with_tls(node.cert, text, authority.cert)))
    assert "peers.tls.ca" in str(refusal(with_tls(node.cert, node.key, text)))


def test_a_key_with_a_passphrase_is_refused_and_not_asked_for(node: Pair, authority: Authority) -> None:
    error = refusal(with_tls(node.cert, with_passphrase(node.key), authority.cert))
    assert "without a passphrase" in error.hint
