"""Which tokens a file gives, and what is logged when it gives none."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from peer.rpc.token_file import TokenFile


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "token"


@pytest.fixture
def tokens(path: Path) -> TokenFile:
    return TokenFile(path, "peers.token_file")


def test_the_first_is_sent_and_all_are_accepted(path: Path, tokens: TokenFile) -> None:
    path.write_text("\n newer \r\nolder\n\n")
    assert tokens.first() == b"newer"
    assert [tokens.matches(given) for given in (b"newer", b"older", b"new", b"", b"newer\nolder")] == [
        True,
        True,
        False,
        False,
        False,
    ]


def test_it_counts_from_the_moment_it_is_written(path: Path, tokens: TokenFile) -> None:
    """Also with the same size and time as before."""
    for token in (b"one", b"two"):
        path.write_bytes(token)
        assert tokens.matches(token)
        assert tokens.first() == token
    assert not tokens.matches(b"one")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "No such file or directory"),
        (b"", "it is empty"),
        (b" \n\n", "it is empty"),
        (b"two words", "a token has characters other than printable ASCII"),
        (b"good\nna\xc3\xafve", "a token has characters other than printable ASCII"),
    ],
)
def test_a_file_that_cannot_be_used_lets_nobody_in(
    path: Path, tokens: TokenFile, content: bytes | None, problem: str, caplog: pytest.LogCaptureFixture
) -> None:
    if content is not None:
        path.write_bytes(content)
    assert tokens.first() == b""
    assert not any(tokens.matches(given) for given in (b"", b"good", b"two", b"words"))
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (logging.ERROR, f"peers.token_file {path}: {problem}: nobody is let in")
    ], "once, and without a token in it"


def test_each_new_trouble_is_logged(path: Path, tokens: TokenFile, caplog: pytest.LogCaptureFixture) -> None:
    tokens.first()
    path.write_text("good")
    tokens.first()
    path.unlink()
    tokens.first()
    assert len(caplog.records) == 2
