"""The nearest word about where the daemon is wins."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from cli.endpoint import DEFAULT_SOCKET
from cli.options import Given, resolve

A, B = Path("/a.sock"), Path("/b.sock")


@pytest.mark.parametrize(
    ("before", "after", "environ", "expected"),
    [
        (Given(), Given(), {}, (DEFAULT_SOCKET, None)),
        (Given(), Given(), {"MOWS_SOCKET": "/a.sock"}, (A, None)),
        (Given(), Given(), {"MOWS_SOCKET": "/a.sock", "MOWS_URL": "http://h"}, (A, "http://h")),
        (Given(), Given(), {"MOWS_SOCKET": "", "MOWS_URL": ""}, (DEFAULT_SOCKET, None)),
        (Given(socket=B), Given(), {"MOWS_URL": "http://h"}, (B, None)),
        (Given(socket=B), Given(socket=A), {}, (A, None)),
        (Given(url="http://h"), Given(socket=A), {}, (A, None)),
    ],
)
def test_where_the_daemon_is(
    before: Given, after: Given, environ: Mapping[str, str], expected: tuple[Path, str | None]
) -> None:
    endpoint = resolve(before, after, environ).endpoint
    assert (endpoint.socket, endpoint.url) == expected


def test_json_may_stand_on_either_side() -> None:
    assert resolve(Given(as_json=True), Given(), {}).as_json
    assert resolve(Given(), Given(as_json=True), {}).as_json
    assert not resolve(Given(), Given(), {}).as_json


def test_each_file_is_looked_for_by_itself() -> None:
    environ = {"MOWS_CA_FILE": "/ca", "MOWS_CERT_FILE": "/old", "MOWS_KEY_FILE": "/key"}
    invocation = resolve(Given(url="https://h"), Given(cert_file=Path("/cert")), environ)
    place = invocation.endpoint
    assert (place.ca_file, place.cert_file, place.key_file) == (Path("/ca"), Path("/cert"), Path("/key"))
    assert resolve(invocation.given, Given(), {}) == invocation


def test_a_token_file_goes_with_a_url_from_elsewhere() -> None:
    invocation = resolve(Given(), Given(url="http://h"), {"MOWS_TOKEN_FILE": "/token"})
    assert invocation.endpoint.token_file == Path("/token")
