"""The table of errors is total."""

from __future__ import annotations

import errno
from collections.abc import Iterator

import pytest

from cachefs import errors
from cachefs.errno_table import errno_of, is_bug


def tree(kind: type[errors.CacheError]) -> Iterator[type[errors.CacheError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from tree(child)


@pytest.mark.parametrize("kind", list(tree(errors.CacheError)))
def test_every_error_of_the_tree_has_an_errno_and_is_no_bug(kind: type[errors.CacheError]) -> None:
    expected: dict[type[errors.CacheError], int] = {
        errors.ObjectChanged: errno.ESTALE,
        errors.OriginNotFound: errno.ESTALE,
        errors.OriginDenied: errno.EACCES,
        errors.CredentialsExpired: errno.EACCES,
        errors.ClockSkew: errno.EACCES,
        errors.OriginArchived: errno.EACCES,
    }
    assert errno_of(kind("why")) == expected.get(kind, errno.EIO)
    assert not is_bug(kind("why"))


def test_oserror_keeps_its_errno() -> None:
    assert errno_of(OSError(errno.ENODATA, "none")) == errno.ENODATA
    assert errno_of(FileNotFoundError(errno.ENOENT, "x")) == errno.ENOENT
    assert errno_of(OSError("no number")) == errno.EIO


def test_the_unforeseen_is_eio_and_a_bug() -> None:
    for error in (KeyError("x"), ZeroDivisionError(), MemoryError()):
        assert errno_of(error) == errno.EIO
        assert is_bug(error)
