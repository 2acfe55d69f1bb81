"""The tree of errors: every kind has a code of its own and an HTTP status."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus

import pytest

from cachefs import errors as cache
from mows import errors


def _tree(kind: type[cache.CacheError]) -> Iterator[type[cache.CacheError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _tree(below)


KINDS = [kind for kind in _tree(cache.CacheError) if kind.__module__ in {"cachefs.errors", "mows.errors"}]


def test_codes_are_unique() -> None:
    groups = {cache.SourceError, cache.MountError, errors.ServiceError}  # never raised themselves
    codes = [kind.code for kind in KINDS if kind not in groups]
    assert sorted(codes) == sorted(set(codes))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_kind_has_an_error_status(kind: type[cache.CacheError]) -> None:
    assert errors.http_status(kind("x")) >= HTTPStatus.BAD_REQUEST


@pytest.mark.parametrize(
    "kind", [kind for kind in KINDS if kind.__module__ == "mows.errors"], ids=lambda kind: kind.__name__
)
def test_the_docstring_shows_the_tree(kind: type[cache.CacheError]) -> None:
    assert errors.__doc__ is not None
    assert kind.__name__ in errors.__doc__


def test_what_is_not_in_the_tree_is_an_internal_error() -> None:
    assert errors.http_status(KeyError("x")) is HTTPStatus.INTERNAL_SERVER_ERROR


def test_a_refusal_by_the_origin_is_not_a_refusal_of_the_caller() -> None:
    assert errors.http_status(cache.OriginDenied("x")) is HTTPStatus.BAD_GATEWAY
    assert errors.http_status(cache.ClockSkew("x")) is HTTPStatus.BAD_GATEWAY
    assert errors.http_status(errors.Unauthorized("x")) is HTTPStatus.UNAUTHORIZED
