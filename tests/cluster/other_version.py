"""A node of a newer protocol: ``python -m tests.cluster.other_version TOKEN_FILE`` prints its address, and answers."""

from __future__ import annotations

import asyncio
import dataclasses
import sys
import tempfile
from pathlib import Path

from peer.settings import SecuritySettings
from peer.values import PROTOCOL_VERSION
from tests.contract.peer_world import serving, settings_of


async def main(token_file: Path) -> None:
    """Answer hellos until the process is ended."""
    security = SecuritySettings(token_file=token_file)
    with tempfile.TemporaryDirectory() as room:
        async with serving(Path(room), settings_of(security=security)) as world:
            world.host.mine = dataclasses.replace(world.host.mine, protocol=PROTOCOL_VERSION + 1)
            sys.stdout.write(f"{world.server.address}\n")
            sys.stdout.flush()
            await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
