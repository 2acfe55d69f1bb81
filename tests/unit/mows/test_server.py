"""The HTTP server on real sockets."""

from __future__ import annotations

import ssl
from pathlib import Path

import httpx
import pytest
from starlette.responses import PlainTextResponse

from mows.config import Tls
from mows.server import serving
from mows.sockets import tcp_socket, unix_socket
from mows.units import Address

HERE = Path(__file__).parent / "tls"
TLS = Tls(HERE / "cert.pem", HERE / "key.pem")
APP = PlainTextResponse("hello")


async def test_over_a_unix_socket_until_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "mows.sock"
    transport = httpx.AsyncHTTPTransport(uds=str(path))
    async with httpx.AsyncClient(transport=transport, base_url="http://mows") as http:
        with unix_socket(path) as listener:
            async with serving(APP, listener, stop_timeout_seconds=1.0):
                assert (await http.get("/")).text == "hello"
        with pytest.raises(httpx.ConnectError):
            await http.get("/")


async def test_over_tls() -> None:
    with tcp_socket(Address("127.0.0.1:0")) as listener:
        port = listener.getsockname()[1]
        async with serving(APP, listener, tls=TLS, stop_timeout_seconds=1.0):
            trust = ssl.create_default_context(cafile=str(TLS.cert))
            async with httpx.AsyncClient(verify=trust, base_url=f"https://localhost:{port}") as http:
                assert (await http.get("/")).text == "hello"


async def test_with_an_authority_callers_need_a_certificate() -> None:
    with tcp_socket(Address("127.0.0.1:0")) as listener:
        port = listener.getsockname()[1]
        async with serving(APP, listener, tls=Tls(TLS.cert, TLS.key, ca=TLS.cert), stop_timeout_seconds=1.0):
            trust = ssl.create_default_context(cafile=str(TLS.cert))
            async with httpx.AsyncClient(verify=trust, base_url=f"https://localhost:{port}") as http:
                with pytest.raises(httpx.TransportError):
                    await http.get("/")
            trust.load_cert_chain(TLS.cert, TLS.key)
            async with httpx.AsyncClient(verify=trust, base_url=f"https://localhost:{port}") as http:
                assert (await http.get("/")).text == "hello"
