"""Every error has an exit code, every exit code a meaning."""

from collections.abc import Iterator
from typing import TypeVar

import pytest

import mows.csi.errors
import mows.errors
from cachefs.errors import CacheError
from cli.exit_codes import BY_ERROR_CODE, MEANINGS, ExitCode, exit_code_of
from mows.client import ClientError

Coded = TypeVar("Coded", CacheError, ClientError)


def _tree(kind: type[Coded]) -> Iterator[type[Coded]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _tree(below)


def test_every_code_of_the_trees_is_in_the_table() -> None:
    assert mows.errors.ServiceError in _tree(CacheError)
    codes = {kind.code for kind in _tree(CacheError)} | {kind.code for kind in _tree(ClientError)}
    of_the_kubelet = {kind.code for kind in _tree(mows.csi.errors.VolumeError)} - {mows.csi.errors.VolumeError.code}
    assert of_the_kubelet
    assert codes - of_the_kubelet == set(BY_ERROR_CODE)


def test_every_exit_code_has_a_meaning() -> None:
    assert set(MEANINGS) == set(ExitCode)
    assert all(MEANINGS.values())


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [
        ("mount_conflict", 409, ExitCode.CONFLICT),
        ("origin_not_found", 502, ExitCode.NOT_FOUND),
        ("of_a_newer_daemon", 409, ExitCode.CONFLICT),
        ("of_a_newer_daemon", 418, ExitCode.FAILED),
        ("of_a_newer_daemon", None, ExitCode.FAILED),
    ],
)
def test_the_code_goes_before_the_status(code: str, status: int | None, expected: ExitCode) -> None:
    assert exit_code_of(code, status) is expected
