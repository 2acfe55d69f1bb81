"""Whose token it is, of a file with bare tokens and with named ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from mows.api.tokens import UNNAMED, name_of
from peer.rpc.token_file import TokenFile


@pytest.mark.parametrize(
    ("text", "given", "name"),
    [
        ("secret\n", b"secret", UNNAMED),
        ("controller:secret", b"secret", "controller"),
        ("controller:secret", b"controller:secret", "controller"),
        ("a:one\nb:two\nthree", b"two", "b"),
        ("a:one\nb:two\nthree", b"three", UNNAMED),
        ("a:same\nb:same", b"same", "a"),
        ("a:one:more", b"one:more", "a"),
        ("not a name:x\n", b"x", None),  # no token may have a space: the whole file is refused
        ("a:one", b"one ", None),
        ("a:one", b"a", None),
        ("a:one", b"a:", None),
        ("a:one", b"", None),
        ("a:", b"", None),
        (":one", b"one", None),
        ("", b"", None),
    ],
)
@pytest.mark.expects_warnings
def test_names(tmp_path: Path, text: str, given: bytes, name: str | None) -> None:
    (tmp_path / "tokens").write_text(text)
    assert name_of(given, TokenFile(tmp_path / "tokens", "api.token_file")) == name
