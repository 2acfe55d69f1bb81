"""The nearest word about where the daemon is wins."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from cli.endpoint import DEFAULT_SOCKET, Endpoint
from cli.errors import Failure
from cli.exit_codes import ExitCode
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


def test_a_token_file_goes_with_a_url_from_elsewhere() -> None:
    invocation = resolve(Given(), Given(url="http://h"), {"MOWS_TOKEN_FILE": "/token"})
    assert invocation.endpoint.token_file == Path("/token")


def test_the_token_is_read_without_its_newline(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret\n")
    assert Endpoint(A, "http://h", tmp_path / "token").token() == "secret"


def test_a_missing_token_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(Failure, match=str(tmp_path / "none")) as raised:
        Endpoint(A, "http://h", tmp_path / "none").token()
    assert raised.value.exit_code is ExitCode.USAGE
