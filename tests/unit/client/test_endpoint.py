"""Where the daemon is, and the secrets it asks for."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from mows.client import CredentialsUnreadable, Endpoint


def test_the_token_is_read_anew_without_its_newline(tmp_path: Path) -> None:
    file = tmp_path / "token"
    endpoint = Endpoint(url="http://h", token="old", token_file=file)
    for token in ("first", "second"):
        file.write_text(f"{token}\n")
        assert endpoint.headers() == {"Authorization": f"Bearer {token}"}


def test_a_token_is_not_shown() -> None:
    endpoint = Endpoint(url="http://h", token="secret")
    assert endpoint.headers() == {"Authorization": "Bearer secret"}
    assert "secret" not in f"{endpoint} {endpoint!r}"


def test_a_socket_needs_nothing() -> None:
    assert (Endpoint().headers(), Endpoint().tls(), str(Endpoint())) == ({}, False, "/run/mows/mows.sock")


def test_a_missing_token_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CredentialsUnreadable, match=str(tmp_path / "none")) as raised:
        Endpoint(url="http://h", token_file=tmp_path / "none").headers()
    assert raised.value.code == "invalid_token_file"


def test_https_is_checked_against_the_systems_authorities_or_those_given(tmp_path: Path) -> None:
    context = Endpoint(url="https://h").tls()
    assert isinstance(context, ssl.SSLContext)
    assert context.verify_mode is ssl.CERT_REQUIRED
    (tmp_path / "ca.pem").write_text("no certificate")
    with pytest.raises(CredentialsUnreadable, match=r"ca\.pem"):
        Endpoint(url="https://h", ca_file=tmp_path / "ca.pem").tls()
