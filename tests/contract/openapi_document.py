"""The OpenAPI document as a daemon's Unix socket serves it: ``python -m tests.contract.openapi_document`` writes it."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx

from mows.api.app import create_app
from mows.debug import Debug
from mows.redaction import Redactor
from tests.unit.mows.twins import FETCH_STATISTICS, Node, running_node

DOCUMENT = Path(__file__).parents[2] / "docs" / "openapi.json"


async def served(directory: Path) -> dict[str, Any]:
    """The document."""
    async with running_node(directory) as node:
        services = dataclasses.replace(
            node.services,
            debug=_debug(node),
            identity=dataclasses.replace(node.services.identity, version=version("mows")),
        )
        transport = httpx.ASGITransport(create_app(services, local=True))
        async with httpx.AsyncClient(transport=transport, base_url="http://mows") as http:
            document: dict[str, Any] = (await http.get("/openapi.json")).raise_for_status().json()
            return document


def rendered(document: dict[str, Any]) -> str:
    """As the file has it."""
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _debug(node: Node) -> Debug:
    return Debug(
        "node-a",
        "",
        operations=tuple,
        tiers=node.cache.statistics,
        fetching=lambda: FETCH_STATISTICS,
        fetch_memory_bytes=0,
        peers=node.peers,
        recent=list,
        redact=Redactor(),
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as directory:
        DOCUMENT.write_text(rendered(asyncio.run(served(Path(directory)))))
    sys.exit(0)
