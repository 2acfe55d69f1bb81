"""Keys that are handed to the daemon for one mount."""

from __future__ import annotations

from pathlib import Path

import pytest

from cachefs.errors import InvalidSource, OriginUnavailable
from cachefs.origin import CredentialSettings, OriginSettings, parse_source
from cachefs.origin.credentials import Credentials
from cachefs.origin.key_sources import open_credentials
from cachefs.origin.keys import Keys
from cachefs.origin.opening import open_origin
from mows.handed_keys import HandedKeys
from mows.mount_spec import MountSpec, source_of

OLD, NEW = Keys("id-1", "secret-1", "token-1"), Keys("id-2", "secret-2", "token-2")


def credentials(handed: HandedKeys, name: str = "m") -> Credentials:
    opened = open_credentials(CredentialSettings(provider="anonymous"), handed=handed.source(name))
    assert opened is not None, "handed keys come before what the configuration says"
    return opened


def test_newer_keys_are_used_at_once() -> None:
    handed = HandedKeys()
    handed.hand("m", OLD)
    used = credentials(handed)
    assert used.get() == OLD
    handed.hand("m", NEW)
    assert used.get() == NEW


def test_keys_are_those_of_one_mount_alone() -> None:
    handed = HandedKeys()
    handed.hand("m", OLD)
    handed.hand("n", NEW)
    assert (credentials(handed, "m").get(), credentials(handed, "n").get()) == (OLD, NEW)


def test_who_needs_keys_that_a_restart_has_lost_shall_try_again() -> None:
    handed = HandedKeys()
    waiting = credentials(handed)
    with pytest.raises(OriginUnavailable, match="not handed over since this daemon began") as failure:
        waiting.get()
    assert failure.value.retryable
    assert "requiresRepublish" in failure.value.hint
    handed.hand("m", OLD)
    assert waiting.get() == OLD


def test_forgotten_keys_are_not_handed_out() -> None:
    handed = HandedKeys()
    handed.hand("m", OLD)
    handed.forget("m")
    handed.forget("m")
    assert handed.get("m") is None


def test_no_secret_is_shown() -> None:
    handed = HandedKeys()
    handed.hand("m", OLD)
    assert "secret-1" not in repr(handed.source("m")) + repr(handed) + repr(OLD)


def test_only_oss_takes_them(tmp_path: Path) -> None:
    source = source_of(MountSpec(f"file://{tmp_path}", "/m", keys="m"))
    with pytest.raises(InvalidSource, match="only oss://"):
        open_origin(source, OriginSettings(), state_dir=Path("/nowhere"), handed=HandedKeys().source("m"))


def test_a_spec_names_its_source_and_its_keys() -> None:
    assert source_of(MountSpec("oss://bucket/m/", "/m")) == parse_source("oss://bucket/m/")
    assert source_of(MountSpec("oss://bucket/m/", "/m", keys="k")).keys == "k"
    assert source_of(MountSpec("oss://bucket/m/", "/m", keys="k")).uri == "oss://bucket/m/"
