"""Settings name the key that is wrong, and never a secret."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any

import pytest

from cachefs.origin import CredentialSettings, NasSettings, OriginSettings


@pytest.mark.parametrize("kind", [CredentialSettings, NasSettings, OriginSettings])
def test_every_field_is_documented_and_has_a_default(kind: Any) -> None:
    for item in fields(kind):
        assert item.metadata["doc"].endswith("."), item.name
        assert item.default is not MISSING or item.default_factory is not MISSING, item.name


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"provider": "magic"}, "credentials.provider: 'magic' is not one of anonymous"),
        ({"provider": "static", "access_key_id": "x"}, "credentials.access_key_secret: required"),
        ({"provider": "file"}, "credentials.path: required"),
        ({"provider": "process"}, "credentials.command: required"),
    ],
)
def test_credentials_that_cannot_work(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        CredentialSettings(**arguments)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"signature_version": "v2"}, "signature_version: 'v2' is not one of v4, v1"),
        ({"addressing": "dns"}, "addressing: 'dns'"),
        ({"max_connections": 0}, "max_connections: 0 is not above 0"),
        ({"idle_timeout_seconds": -1}, "idle_timeout_seconds: -1"),
    ],
)
def test_settings_that_cannot_be_meant(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        OriginSettings(**arguments)


def test_secrets_are_not_shown() -> None:
    keys = CredentialSettings(
        provider="static", access_key_id="visible", access_key_secret="s3cret", security_token="t0ken"
    )
    shown = repr(OriginSettings(credentials=keys, options={"account_key": "s3cret"}))
    assert "visible" in shown
    assert "s3cret" not in shown
    assert "t0ken" not in shown
