"""What can go wrong on the way to a daemon, and that none of it is a traceback."""

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from cli import main
from cli.exit_codes import ExitCode
from mows.api.peer_models import Peers
from tests.certificates import Authority

PEERS = Peers(configured=False, node="node-a")


@contextmanager
def answering(path: Path, answer: bytes) -> Iterator[None]:
    """Something that listens on `path` and gives every caller these bytes."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            listener.accept()[0].close()  # the command knocks first
            caller, _ = listener.accept()
            with caller:
                caller.recv(65536)
                caller.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            thread.join()


def http(body: str, *, status: str = "200 OK", kind: str = "application/json") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return (head + body).encode()


def test_no_socket(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--socket", str(tmp_path / "none")]) == ExitCode.UNREACHABLE
    first, hint = capsys.readouterr().err.splitlines()
    path = tmp_path / "none"
    assert first == f"mows: cannot reach the daemon: {path}: No such file or directory (daemon_unreachable)"
    assert hint.startswith("hint: start it with `mows daemon")


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://[bad", "ftp://host"])
def test_a_url_that_leads_nowhere(url: str) -> None:
    assert main(["status", "--url", url]) == ExitCode.UNREACHABLE


@pytest.mark.parametrize(
    ("answer", "code", "exit_code"),
    [
        (b"", "daemon_unreachable", ExitCode.UNREACHABLE),
        (http("<html>", kind="text/html"), "not_a_daemon", ExitCode.UNREACHABLE),
        (http("[]"), "not_a_daemon", ExitCode.UNREACHABLE),
        (http('{"peers": []}'), "not_a_daemon", ExitCode.UNREACHABLE),
        (http("nginx", status="404 Not Found", kind="text/html"), "http_404", ExitCode.NOT_FOUND),
        (http('{"code": 5}', status="500 Oops"), "5", ExitCode.FAILED),
    ],
)
def test_something_else_answers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], answer: bytes, code: str, exit_code: ExitCode
) -> None:
    with answering(tmp_path / "s", answer):
        assert main(["peers", "--socket", str(tmp_path / "s"), "--json"]) == exit_code
    document = json.loads(capsys.readouterr().out)
    assert str(document["code"]) == code


def test_the_token_goes_along(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret\n")
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            caller, _ = listener.accept()
            with caller:
                heard.append(caller.recv(65536))
                caller.sendall(http(PEERS.model_dump_json()))

        thread = threading.Thread(target=serve)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        assert main(["peers", "--url", url, "--token-file", str(tmp_path / "token")]) == ExitCode.OK
        thread.join()
    assert b"authorization: bearer secret\r\n" in heard[0].lower()


def test_certificates_of_both_sides(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    node, caller = authority.sign("node-a"), authority.sign("ann")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(node.cert, node.key)
    context.load_verify_locations(authority.cert)
    context.verify_mode = ssl.CERT_REQUIRED
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(ssl.SSLError), context.wrap_socket(listener.accept()[0], server_side=True) as connection:
                connection.recv(65536)
                connection.sendall(http(PEERS.model_dump_json()))

        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        known = ["--ca-file", str(authority.cert)]
        own = ["--cert-file", str(caller.cert), "--key-file", str(caller.key)]
        for files, code in ((known + own, ExitCode.OK), (known, ExitCode.UNREACHABLE), ([], ExitCode.UNREACHABLE)):
            thread = threading.Thread(target=serve)
            thread.start()
            assert main(["peers", "--url", url, *files]) == code
            thread.join()


def test_a_socket_whose_daemon_is_gone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
    assert main(["status", "--socket", str(tmp_path / "s")]) == ExitCode.UNREACHABLE
    assert "Connection refused" in capsys.readouterr().err
