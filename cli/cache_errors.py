"""Errors of `mows` and `cachefs` in this process, for the commands that run them here instead of asking a daemon."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cachefs.errors import CacheError
from cli.errors import Failure
from cli.exit_codes import exit_code_of


@contextmanager
def translated() -> Iterator[None]:
    """Turn a CacheError into the Failure that the same error would be if a daemon had answered with it."""
    try:
        yield
    except CacheError as error:
        raise Failure(str(error), code=error.code, exit_code=exit_code_of(error.code), hint=error.hint) from error
