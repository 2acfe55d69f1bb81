"""A relay that lies, over real sockets."""

from __future__ import annotations

import asyncio

from benchmarks.lab.flipping import LEAST_BYTES, relay

LONG = bytes(range(256)) * (4 * LEAST_BYTES // 256)


async def test_only_long_answers_are_changed_and_questions_are_not() -> None:
    heard = bytearray()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.extend(await reader.readexactly(len(LONG)))
        writer.write(b"short")
        await writer.drain()
        await reader.readexactly(1)
        writer.write(LONG)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as truthful:
        port = truthful.sockets[0].getsockname()[1]
        async with await relay("127.0.0.2", port):
            reader, writer = await asyncio.open_connection("127.0.0.2", port)
            writer.write(LONG)
            assert await reader.readexactly(5) == b"short"
            writer.write(b"!")
            answered = await reader.read(-1)
            writer.close()
            await writer.wait_closed()
    assert bytes(heard) == LONG
    assert len(answered) == len(LONG)
    assert answered != LONG


async def test_a_relay_in_front_of_nobody_hangs_up() -> None:
    async with await asyncio.start_server(lambda *_: None, "127.0.0.1", 0) as closed:
        port = closed.sockets[0].getsockname()[1]
    async with await relay("127.0.0.2", port):
        reader, writer = await asyncio.open_connection("127.0.0.2", port)
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()


async def test_a_relay_lies_only_when_it_is_told_to() -> None:
    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(LONG)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as truthful:
        port = truthful.sockets[0].getsockname()[1]
        async with await relay("127.0.0.2", port, lambda: False):
            reader, writer = await asyncio.open_connection("127.0.0.2", port)
            assert await reader.read(-1) == LONG
            writer.close()
            await writer.wait_closed()
