"""The one door to the daemon: `mows.client`, with its errors as this command's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

from cli.endpoint import Endpoint
from cli.errors import ApiError, CliError, DaemonUnreachable, Failure
from cli.exit_codes import exit_code_of
from mows import client
from mows.client import NO_RETRIES, Client, Retries


@contextmanager
def connect(endpoint: Endpoint, *, patient: bool = False) -> Iterator[Client]:
    """A connection to the daemon at `endpoint`. Nothing is sent yet; what fails in the block is raised as `CliError`.

    Nothing is tried again, because who types a command wants to know at once that there is no daemon; unless `patient`:
    the daemon has begun something, and goes on with it when it is replaced.
    """
    place = client.Endpoint(**asdict(endpoint))
    try:
        with Client(place, retries=Retries() if patient else NO_RETRIES) as api:
            yield api
    except client.ClientError as error:
        raise cli_error(error) from error


def cli_error(error: client.ClientError) -> CliError:
    """What the client raised, as the error that this command ends with."""
    if isinstance(error, client.ApiError):
        return ApiError(str(error), error.code, exit_code_of(error.code, error.status), error.hint, error.problem)
    if isinstance(error, client.DaemonUnreachable):
        return DaemonUnreachable(str(error), hint=error.hint)
    return Failure(str(error), code=error.code, exit_code=exit_code_of(error.code), hint=error.hint)
