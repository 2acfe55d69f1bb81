"""Which sources may be read, before anything is asked of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from cachefs.origin import parse_source
from mows.config import MountsSection, OriginRule
from mows.config.binding import Unusable
from mows.errors import SourceNotAllowed
from mows.source_policy import SourcePolicy


def allows(text: str, allowed: Sequence[str] | None, *matches: str) -> bool:
    try:
        SourcePolicy(allowed, [OriginRule(match) for match in matches]).check(parse_source(text))
    except SourceNotAllowed:
        return False
    return True


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("oss://models/a/", ["oss://models"]),
        ("oss://models/a/", ["s3://", "oss://models/"]),
        ("oss://models", ["oss://models/"]),
        ("oss://models.oss-cn-hangzhou.aliyuncs.com/a", ["oss://models/a"]),
        ("s3a://any/thing", ["s3://"]),
        ("nas://server/export/a", ["nas://server/export"]),
    ],
)
def test_what_lies_below_an_allowed_beginning(text: str, allowed: list[str]) -> None:
    assert allows(text, allowed)


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("oss://models-of-others/a/", ["oss://models"]),
        ("oss://models/ab/", ["oss://models/a"]),
        ("oss://models/", ["oss://models/a/"]),
        ("http://169.254.169.254/latest/meta-data/", ["https://", "oss://models/"]),
        ("oss://models/a/", []),
    ],
)
def test_what_does_not(text: str, allowed: list[str]) -> None:
    assert not allows(text, allowed)


def test_without_a_list_the_origins_are_the_list() -> None:
    assert allows("oss://models/a/", None, "oss://models/")
    assert not allows("http://169.254.169.254/latest/", None, "oss://models/")
    assert not allows("file:///etc", None, "oss://models/")


def test_without_origins_nothing_is_refused(tmp_path: Path) -> None:
    assert allows("oss://models/a/", None)
    assert allows(f"file://{tmp_path}", None)


def test_a_list_counts_and_not_the_origins() -> None:
    assert not allows("oss://models/a/", ["s3://"], "oss://models/")


def test_a_directory_must_be_allowed_where_it_leads_to(tmp_path: Path) -> None:
    models, secrets = tmp_path / "models", tmp_path / "secrets"
    (models / "qwen3").mkdir(parents=True)
    secrets.mkdir()
    (models / "innocent").symlink_to(secrets)
    (models / "circle").symlink_to(models / "circle")
    (tmp_path / "alias").symlink_to(models)
    for allowed in ([f"file://{models}"], [f"file://{models}/"], [f"file://{tmp_path}/alias", f"file://{models}"]):
        assert allows(f"file://{models}/qwen3", allowed)
        assert not allows(f"file://{models}/innocent", allowed)
        assert not allows(f"file://{models}/circle", allowed)
        assert not allows(f"file://{secrets}", allowed)
    assert allows(f"file://{tmp_path}/alias/qwen3", [f"file://{tmp_path}/alias"])
    assert not allows(f"file://{models}/innocent", None, f"file://{models}")


def test_an_entry_must_look_like_a_source() -> None:
    with pytest.raises(Unusable, match="is not the beginning of a URI"):
        MountsSection(allowed_sources=("oss://models/", "/srv"))
