"""A node that sends wrong bytes: ``python -m benchmarks.lab.flipping ADDRESS PORT...``, relays in front of its ports.

Each listens at ADDRESS:PORT and passes everything on to 127.0.0.1:PORT and back; in what it sends back it inverts one
bit of every long read; with ``--while FILE`` only as long as that file exists. Short ones, which are control messages,
stay as they are: a node that cannot even speak would be noticed by anybody. What the node has cached stays right, so
whatever goes wrong is the others' to find out.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

READ_BYTES = 256 * 1024
LEAST_BYTES = 16 * 1024
"""Reads from here on carry chunks."""

MASK = 0x10


def flipped(block: bytes) -> bytes:
    """`block` with one bit in its middle inverted, if it is long: its ends may be headers of frames."""
    if len(block) < LEAST_BYTES:
        return block
    middle = len(block) // 2
    return b"".join((block[:middle], bytes([block[middle] ^ MASK]), block[middle + 1 :]))


def always() -> bool:
    """Lie without a pause."""
    return True


async def relay(address: str, port: int, lying: Callable[[], bool] = always) -> asyncio.Server:
    """Start one relay; it serves until the server it answers is closed. `lying` is asked before each long read."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port, limit=READ_BYTES)
        except OSError:
            writer.close()
            return
        await asyncio.gather(_copy(reader, inner_writer, None), _copy(inner_reader, writer, lying))

    return await asyncio.start_server(serve, address, port, limit=READ_BYTES)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, lying: Callable[[], bool] | None) -> None:
    """Everything from one to the other, then hang up there."""
    try:
        while block := await reader.read(READ_BYTES):
            writer.write(flipped(block) if lying and lying() else block)
            await writer.drain()
    except OSError:
        pass  # one side went away; so does the other
    finally:
        writer.close()


async def run(address: str, ports: Sequence[int], lying: Callable[[], bool]) -> None:
    """Relay until the process is ended."""
    servers = [await relay(address, port, lying) for port in ports]
    print("ready", flush=True)
    await asyncio.gather(*(server.serve_forever() for server in servers))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lab.flipping")
    parser.add_argument("address")
    parser.add_argument("ports", type=int, nargs="+")
    parser.add_argument("--while", type=Path, dest="switch", metavar="FILE", help="lie only as long as it exists")
    options = parser.parse_args()
    asyncio.run(run(options.address, options.ports, options.switch.exists if options.switch else always))
