"""The options of every command: ``--json`` and where the daemon is, before or after the command's name."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import click

from cli.endpoint import DEFAULT_SOCKET, Endpoint


@dataclass(frozen=True, slots=True)
class Given:
    """What was typed on one side of the command's name; None where nothing was."""

    as_json: bool = False
    socket: Path | None = None
    url: str | None = None
    token_file: Path | None = None
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None


FILES = ("token_file", "ca_file", "cert_file", "key_file")
"""Of `Given` and `Endpoint`: each is looked for by itself."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """What the common options say, from both sides and the environment."""

    endpoint: Endpoint
    as_json: bool

    @property
    def given(self) -> Given:
        """The same, as if it had been typed before a subcommand."""
        place = self.endpoint
        files = {name: getattr(place, name) for name in FILES}
        return Given(self.as_json, None if place.url else place.socket, place.url, **files)


def _file(name: str, text: str) -> Callable[..., Any]:
    return click.option(name, type=click.Path(path_type=Path), help=text)


_OPTIONS = (
    click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of text."),
    _file("--socket", f"The daemon's Unix socket. [{DEFAULT_SOCKET}]"),
    click.option("--url", help="The daemon's address instead of a socket, such as https://node-a:9301."),
    _file("--token-file", "File with the API token, for --url."),
    _file("--ca-file", "Who signed the daemon's certificate, PEM, for https. [those the system trusts]"),
    _file("--cert-file", "Your own certificate, PEM, for a daemon that asks for one."),
    _file("--key-file", "Its private key, unless it is in --cert-file."),
)


def with_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the common options as plain parameters, named as the fields of `Given`: what the group needs."""
    return functools.reduce(lambda decorated, option: option(decorated), reversed(_OPTIONS), function)


def with_invocation(function: Callable[..., None]) -> Callable[..., None]:
    """Add the common options to a command, which gets them as its first argument, an `Invocation`."""

    @functools.wraps(function)
    def command(**arguments: Any) -> None:  # noqa: ANN401 - whatever the command's own options are
        before = click.get_current_context().find_object(Given) or Given()
        after = Given(**{field.name: arguments.pop(field.name) for field in fields(Given)})
        function(resolve(before, after, os.environ), **arguments)

    return with_options(command)


def resolve(before: Given, after: Given, environ: Mapping[str, str]) -> Invocation:
    """The nearest word wins: after the command's name, before it, MOWS_SOCKET and its like, the default.

    On each of these levels a URL goes before a socket.
    """
    named: dict[str, Any] = {name: _path(environ.get(f"MOWS_{name.upper()}")) for name in ("socket", *FILES)}
    from_environment = Given(url=environ.get("MOWS_URL") or None, **named)
    levels = (after, before, from_environment, Given(socket=DEFAULT_SOCKET))
    place = next(level for level in levels if level.url or level.socket)
    files = {name: next((getattr(level, name) for level in levels if getattr(level, name)), None) for name in FILES}
    endpoint = Endpoint(place.socket or DEFAULT_SOCKET, place.url, **files)
    return Invocation(endpoint=endpoint, as_json=before.as_json or after.as_json)


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None
