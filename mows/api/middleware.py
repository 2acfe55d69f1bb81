"""Around every request: an id for its log lines, and, on TCP, the bearer token. Plain ASGI."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import logging
import re
import uuid
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mows import logs
from mows.api.caller import with_token
from mows.api.problems import ANSWERED, problem_of
from mows.api.tokens import name_of
from mows.errors import RequestTooLarge, Stopping, Unauthorized
from peer.rpc.token_file import TokenFile

log = logging.getLogger(__name__)

HEADER = b"x-request-id"
OPEN_PATHS = frozenset({"/healthz", "/readyz"})
"""Need no token: the kubelet's probes cannot carry a secret, and these two tell nothing."""

PAGE_PATHS = frozenset({"/", "/v1/events"})
"""What a browser reads for the status page. It can send the token only as a password, which it asks its user for; but
it sends that along with whatever other sites make it ask for, too. So a password opens these two, to read, and no more.
"""

BASIC = 'Basic realm="MoWS: the token is the password", charset="UTF-8"'

MOST_BODY_BYTES = 1 << 20
"""The longest honest body names blobs: 25,000 ids."""

BODY_SECONDS = 30.0

_ACCEPTABLE = re.compile(rb"[A-Za-z0-9._-]{1,128}")


def _random_id() -> str:
    return uuid.uuid4().hex[:16]


class RequestId:
    """Takes the caller's ``X-Request-Id`` or makes one; binds it to the log lines and sends it back.

    The framework raises an unexpected error once more after it was logged and answered; that ends here. So does a
    request that the server calls off: it does so only when the daemon stops and the work takes longer than that waits.
    """

    def __init__(self, app: ASGIApp, *, new_id: Callable[[], str] = _random_id) -> None:
        self._app = app
        self._new_id = new_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = dict(scope["headers"]).get(HEADER, b"")
        request_id = given if _ACCEPTABLE.fullmatch(given) else self._new_id().encode()

        begun = False

        async def send_with_id(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                message["headers"] = [*message.get("headers", []), (HEADER, request_id)]
            await send(message)

        with logs.bound(request_id=request_id.decode()):
            try:
                await self._app(scope, receive, send_with_id)
            except Exception as error:
                if scope.get(ANSWERED) is not error:
                    raise
            except asyncio.CancelledError:
                stopping = Stopping(f"{scope['method']} {scope['path']}: called off, the daemon is stopping")
                logs.failure(log, f"{scope['method']} {scope['path']}", stopping)
                if not begun:
                    await problem_of(stopping)(scope, receive, send_with_id)


class BodyLimit:
    """Takes a body in before the application looks at it: at most `MOST_BODY_BYTES`, within `BODY_SECONDS`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await _body(receive)
        except (RequestTooLarge, TimeoutError) as error:
            late = RequestTooLarge(f"no whole body within {BODY_SECONDS:g} s")
            refusal = error if isinstance(error, RequestTooLarge) else late
            logs.failure(log, f"{scope['method']} {scope['path']}", refusal)
            await problem_of(refusal)(scope, receive, send)
            return
        first: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive_again() -> Message:
            return first.pop() if first else await receive()

        if body is not None:
            await self._app(scope, receive_again, send)


async def _body(receive: Receive) -> bytes | None:
    """The whole body; None when the caller has gone. Raises RequestTooLarge."""
    parts: list[bytes] = []
    while (message := await receive())["type"] == "http.request":
        parts.append(message.get("body", b""))
        if sum(map(len, parts)) > MOST_BODY_BYTES:
            raise RequestTooLarge(f"the body has more than {MOST_BODY_BYTES} bytes")
        if not message.get("more_body", False):
            return b"".join(parts)
    return None


class BearerToken:
    """Refuses requests without a token of the file. Stands before the application on TCP only."""

    def __init__(self, app: ASGIApp, tokens: TokenFile) -> None:
        self._app = app
        self._tokens = tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http" or scope["path"] in OPEN_PATHS:
            await self._app(scope, receive, send)
            return
        if (name := await self._name(scope)) is not None:
            await self._app(with_token(scope, name), receive, send)
            return
        error = Unauthorized(f"{scope['method']} {scope['path']}: no bearer token, or a wrong one")
        logs.failure(log, "authorize", error, client=scope.get("client"))
        response = problem_of(error)
        response.headers["WWW-Authenticate"] = BASIC if _is_page(scope) else "Bearer"
        await response(scope, receive, send)

    async def _name(self, scope: Scope) -> str | None:
        given = sent_token(scope)
        return None if given is None else await asyncio.to_thread(name_of, given, self._tokens)


def sent_token(scope: Scope) -> bytes | None:
    """What the caller says is its token; None: nothing."""
    headers: dict[bytes, bytes] = dict(scope["headers"])
    kind, _, given = headers.get(b"authorization", b"").partition(b" ")
    if kind.lower() == b"bearer":
        return given.strip()
    if kind.lower() == b"basic" and _is_page(scope):
        with contextlib.suppress(ValueError):  # no base64
            return base64.b64decode(given, validate=True).partition(b":")[2]
    return None


def _is_page(scope: Scope) -> bool:
    return scope["method"] in {"GET", "HEAD"} and scope["path"] in PAGE_PATHS
