"""What must never leave the daemon, and what must stay readable."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mows.config import load_config
from mows.redaction import MASK, Redactor, secrets_of

SECRETS = (
    "GET https://host/b/k?sig=abcDEF%2B123&se=2026 failed",
    "https://b.oss-cn-x.aliyuncs.com/k?OSSAccessKeyId=LTAIabcDEF123&Expires=1&Signature=abcDEF123%3D",
    "https://b/k?x-oss-signature=abcDEF123&x-oss-security-token=abcDEF123&x-oss-credential=abcDEF123",
    "https://b.s3/k?X-Amz-Signature=abcDEF123&X-Amz-Security-Token=abcDEF123",
    "redis://:abcDEF123@10.0.0.9:6379/0: Connection refused",
    "http://user:abcDEF123@host/path",
    "Authorization: OSS4-HMAC-SHA256 Credential=abcDEF123",
    '{"authorization": "Bearer abcDEF123"}',
    r"{\"Authorization\": \"Bearer abcDEF123\"}",
    "sent Bearer abcDEF123",
    "AccessKeySecret=abcDEF123, region=cn",
    '{"SecurityToken": "abcDEF123", "Expiration": "2026"}',
    "AZURE account_key=abcDEF123==",
)


@pytest.mark.parametrize("text", SECRETS)
def test_a_secret_is_known_by_its_place(text: str) -> None:
    found = Redactor()(text)
    assert "abcDEF" not in found
    assert MASK in found


@pytest.mark.parametrize(
    "text",
    [
        "read failed uri=oss://models/qwen3/model-00001.safetensors offset=0 waited_seconds=60.0 code=origin_timeout",
        "credentials from file /etc/mows/token.json: cannot be read; the old ones are kept",
        "peers.token_file /etc/mows/peer.token: nobody is let in",
        "https://host/models/a.bin?list-type=2&prefix=qwen3&max-keys=1000",
        "key=qwen3/model.safetensors path=/models@home/x",
    ],
)
def test_what_a_person_needs_stays(text: str) -> None:
    assert Redactor()(text) == text


def test_a_value_is_masked_wherever_it_stands_also_as_json_spells_it() -> None:
    secret = 'pass"word\\1'
    redact = Redactor([secret])
    assert secret not in redact(f"x {secret} y")
    assert json.loads(redact(json.dumps({"message": f"x {secret} y"}))) == {"message": f"x {MASK} y"}


def test_short_words_are_left_alone() -> None:
    assert Redactor(["true", ""])("that is true") == "that is true"


def test_the_secrets_of_a_configuration_are_all_that_is_marked(tmp_path: Path) -> None:
    path = tmp_path / "mows.yaml"
    path.write_text(
        """
cache: {tiers: [{path: /tmp/t, capacity: 1GiB}]}
peers:
  listen: 127.0.0.1:9302
  discovery: {redis: "redis://:redis-password@10.0.0.9/0"}
origins:
  - match: "oss://b/"
    credentials: {provider: static, access_key_id: an-id, access_key_secret: the-secret, security_token: the-token}
  - {match: "az://c/", options: {account_key: the-account-key, region: cn-hangzhou}}
"""
    )
    marked = {"the-secret", "the-token", "the-account-key", "redis-password"}
    assert set(secrets_of(load_config(path, {}))) == marked, "of a URL the password"
