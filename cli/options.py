"""The options of every command: ``--json`` and where the daemon is, before or after the command's name."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import click

from cli.endpoint import DEFAULT_SOCKET, Endpoint


@dataclass(frozen=True, slots=True)
class Given:
    """What was typed on one side of the command's name; None where nothing was."""

    as_json: bool = False
    socket: Path | None = None
    url: str | None = None
    token_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Invocation:
    """What the common options say, from both sides and the environment."""

    endpoint: Endpoint
    as_json: bool

    @property
    def given(self) -> Given:
        """The same, as if it had been typed before a subcommand."""
        return Given(
            self.as_json,
            None if self.endpoint.url else self.endpoint.socket,
            self.endpoint.url,
            self.endpoint.token_file,
        )


_OPTIONS = (
    click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of text."),
    click.option("--socket", type=click.Path(path_type=Path), help=f"The daemon's Unix socket. [{DEFAULT_SOCKET}]"),
    click.option("--url", help="The daemon's address instead of a socket, such as https://node-a:9301."),
    click.option("--token-file", type=click.Path(path_type=Path), help="File with the API token, for --url."),
)


def with_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the common options as plain parameters: what the group needs."""
    return functools.reduce(lambda decorated, option: option(decorated), reversed(_OPTIONS), function)


def with_invocation(function: Callable[..., None]) -> Callable[..., None]:
    """Add the common options to a command, which gets them as its first argument, an `Invocation`."""

    @functools.wraps(function)
    def command(
        *, as_json: bool, socket: Path | None, url: str | None, token_file: Path | None, **arguments: object
    ) -> None:
        before = click.get_current_context().find_object(Given) or Given()
        after = Given(as_json, socket, url, token_file)
        function(resolve(before, after, os.environ), **arguments)

    return with_options(command)


def resolve(before: Given, after: Given, environ: Mapping[str, str]) -> Invocation:
    """The nearest word wins: after the command's name, before it, MOWS_SOCKET / MOWS_URL / MOWS_TOKEN_FILE, default.

    On each of these levels a URL goes before a socket.
    """
    from_environment = Given(
        socket=_path(environ.get("MOWS_SOCKET")),
        url=environ.get("MOWS_URL") or None,
        token_file=_path(environ.get("MOWS_TOKEN_FILE")),
    )
    levels = (after, before, from_environment, Given(socket=DEFAULT_SOCKET))
    place = next(level for level in levels if level.url or level.socket)
    token_file = next((level.token_file for level in levels if level.token_file), None)
    endpoint = Endpoint(socket=place.socket or DEFAULT_SOCKET, url=place.url, token_file=token_file)
    return Invocation(endpoint=endpoint, as_json=before.as_json or after.as_json)


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None
