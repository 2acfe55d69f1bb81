"""What a person is told when the address of a peer is that of something else; always before the deadline."""

from __future__ import annotations

import asyncio
import contextlib
import http.server
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import grpc.aio
import pytest

from cachefs.errors import PeerError, PeerProtocolError, PeerUnavailable
from peer.rpc.hello import GrpcProber, hello
from peer.rpc.link import PeerLink
from peer.rpc.security import Security
from peer.rpc.traffic import Traffic
from peer.settings import SecuritySettings
from tests.contract.peer_world import ME, QUICK, identity, serving

OPEN = Security(SecuritySettings())

Connection = Callable[[asyncio.StreamReader, asyncio.StreamWriter], object]


TURNS = 10
"""Of the loop: more than asyncio takes from accepting a connection (gRPC may just have made one) to `connected`."""


@contextlib.asynccontextmanager
async def listening(talk: Connection) -> AsyncIterator[str]:
    """The address of a server that talks so."""
    writers: list[asyncio.StreamWriter] = []

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        with contextlib.suppress(ConnectionError):
            await talk(reader, writer)  # type: ignore[misc]  # coroutine functions only

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        asyncio.get_running_loop().remove_reader(server.sockets[0].fileno())  # accept nobody more
        for _ in range(TURNS):  # a server that is closed before those it accepted are its own leaves them open
            await asyncio.sleep(0)
        server.close()
        for writer in writers:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(4096):
        writer.write(data)


async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    while await reader.read(4096):
        pass


async def banner(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
    await writer.drain()


@contextlib.contextmanager
def web_server() -> Iterator[str]:
    class Quiet(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Nothing is printed."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    server.daemon_threads = False
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


async def test_nobody_listens() -> None:
    async with listening(silent) as address:
        pass
    with pytest.raises(PeerUnavailable, match=f"{address} Hello: .*refused") as caught:
        await hello(address, ME, OPEN, 5.0)
    assert "advertised address" in caught.value.hint


async def test_a_port_that_takes_all_and_says_nothing() -> None:
    async with listening(silent) as address:
        with pytest.raises(PeerUnavailable, match=f"{address} Hello: "):
            await hello(address, ME, OPEN, 0.3)


@pytest.mark.parametrize("talk", [echo, banner])
async def test_a_port_that_speaks_something_else(talk: Connection) -> None:
    async with listening(talk) as address:
        with pytest.raises(PeerProtocolError, match=f"{address} Hello: ") as caught:
            await hello(address, ME, OPEN, 5.0)
    assert "not of another service" in caught.value.hint


async def test_a_web_server() -> None:
    with web_server() as address, pytest.raises(PeerProtocolError, match=f"{address} Hello: .*HTTP/2") as caught:
        await hello(address, ME, OPEN, 5.0)
    assert "not of another service" in caught.value.hint


async def test_another_grpc_service() -> None:
    server = grpc.aio.server()
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        with pytest.raises(PeerProtocolError, match="Hello: Method not found") as caught:
            await hello(f"127.0.0.1:{port}", ME, OPEN, 5.0)
    finally:
        await server.stop(None)
    assert "not of another service" in caught.value.hint


@pytest.mark.parametrize("address", ["no-such-host.invalid:1", "127.0.0.1:99999", "nonsense"])
async def test_an_address_that_is_none(address: str) -> None:
    with pytest.raises(PeerError, match=f"{address} Hello: "):
        await hello(address, ME, OPEN, 5.0)


async def test_links_end_in_the_same_errors() -> None:
    async with listening(banner) as address:
        link = PeerLink(identity(address=address), lambda: ME, OPEN, QUICK)
        with pytest.raises(PeerProtocolError):
            await link.run(lambda _: None)
        with pytest.raises(PeerProtocolError):
            await link.ticket()
        await link.aclose()


async def test_a_proxy_of_the_environment_is_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with listening(banner) as proxy, serving(tmp_path) as world:
        for name in ("http_proxy", "https_proxy", "grpc_proxy"):
            monkeypatch.setenv(name, f"http://{proxy}")
        prober = GrpcProber(lambda: ME, OPEN, Traffic())
        assert (await prober.hello(world.server.address, 5.0)).identity == world.there
