"""A snapshot comes back from its bytes as it was, or not at all."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachefs.fs import Shown, UnreadableSnapshot, build_snapshot, decode_shown, encode_shown
from cachefs.types import ObjectInfo


def an_object(key: str, version: str = "v1") -> ObjectInfo:
    return ObjectInfo(f"oss://bucket/{key}", key, 7, version, 5, 1 << 63)


def shown(*keys: str) -> Shown:
    return Shown(build_snapshot([[an_object(key) for key in keys]], "m/", "a"))


def damaged(**more: Any) -> bytes:
    document = json.loads(encode_shown(shown("m/x", "m/sub/y")))
    return json.dumps(document | more).encode()


parts = st.text(st.characters(exclude_characters="/\0"), min_size=1, max_size=3)
keys = st.lists(st.lists(parts, min_size=1, max_size=4).map("/".join), max_size=8)


@given(names=keys, markers=keys)
def test_all_of_it_comes_back_inode_numbers_and_all(names: list[str], markers: list[str]) -> None:
    objects = [an_object(f"m/{name}") for name in names]
    objects += [ObjectInfo("oss://bucket/dir", f"m/{name}/", 0, "v", 5) for name in markers]
    before = Shown(build_snapshot([objects], "m/", "a"))
    assert decode_shown(encode_shown(before), "a") == before


def test_what_is_not_listed_any_more_keeps_its_number() -> None:
    old = next(build_snapshot([[an_object("m/x", "old")]], "m/", "a").files())
    before = Shown(shown("m/x").snapshot, (old,))
    after = decode_shown(encode_shown(before), "a")
    assert after == before
    assert old.attributes.ino not in after.snapshot.nodes


def test_bytes_of_names_that_are_no_text_survive() -> None:
    before = shown("m/sub/\udcff", "m/ok")
    assert before.snapshot.hidden
    assert decode_shown(encode_shown(before), "a") == before


@pytest.mark.parametrize(
    "data", [b"", b"{", encode_shown(shown("m/x"))[:-20], b"[]", b"null", damaged(files={}), b"\xff"]
)
def test_half_a_file_is_refused(data: bytes) -> None:
    with pytest.raises(UnreadableSnapshot, match="damaged"):
        decode_shown(data, "a")


def test_files_that_do_not_fit_the_snapshot_are_refused() -> None:
    with pytest.raises(UnreadableSnapshot, match="not those of snapshot 0"):
        decode_shown(damaged(snapshot="0"), "a")


def test_a_later_format_is_refused() -> None:
    with pytest.raises(UnreadableSnapshot, match="format 2, and this version knows 1"):
        decode_shown(damaged(format=2), "a")
