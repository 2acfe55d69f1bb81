"""``/``: the status page for browsers, a summary in plain text for everybody else."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from importlib import resources

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, PlainTextResponse

from mows.api.openapi import fails_with
from mows.api.services import Services


def router(services: Services) -> APIRouter:
    """The routes of one daemon."""
    routes = APIRouter(tags=["node"])
    page = resources.files("mows.page").joinpath("index.html").read_text("utf-8")
    headers = page_headers(page)

    @routes.get("/", response_class=PlainTextResponse, responses={200: {"content": {"text/html": {}}}, **fails_with()})
    async def first_page(request: Request) -> Response:
        """For people: the status page where `Accept` names ``text/html``, else a summary in plain text."""
        if "text/html" in request.headers.get("accept", ""):
            return HTMLResponse(page, headers=headers)
        return PlainTextResponse(_summary(services), headers={"Vary": "Accept"})

    return routes


def page_headers(page: str) -> Mapping[str, str]:
    """What a browser is told: run this script, use this style, speak with this daemon, and nothing else."""
    script, style = _hash_of(page, "script"), _hash_of(page, "style")
    policy = {
        "default-src": "'none'",
        "script-src": script,
        "style-src": style,
        "img-src": "data:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-cache",
        "Vary": "Accept",
    }


def _hash_of(page: str, tag: str) -> str:
    """What the policy calls the one element of this kind."""
    (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


def _summary(services: Services) -> str:
    identity = services.identity
    mounts = [f"{mount.state:<10} {mount.source.uri} on {mount.target}\n" for mount in services.mounts.all()]
    head = f"mows {identity.version} on {identity.node}: {len(mounts)} mounts\n\n"
    return head + "".join(mounts) + "\nRoutes: /openapi.json. Metrics: /metrics.\n"
