"""Writes a line into the audit log for every request that may change something. Plain ASGI.

It stands around all routes, and names an action by the method and the path, so that no route can be forgotten: a new
one is recorded from its first day. Callers without a token never come this far; they are in the daemon's log.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mows.api.caller import caller_of
from mows.audit import Audit

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

NAMED_FIELDS = ("source", "sources", "mount_path", "warm", "lease", "nodes")
"""Of a body: what the action is about. The rest is in the answer to a GET, or nobody's business."""

MOST_ITEMS = 16
MOST_CHARACTERS = 500
"""Of a list, and of a text: a caller cannot push the lines of others out of the log with a few long ones."""

MOST_ANSWER_BYTES = 1 << 20

HTTP_ERROR = 400


class Audited:
    """Records just before the end of the answer is sent, so that who has it can rely on the line; or that none came."""

    def __init__(self, app: ASGIApp, audit: Audit) -> None:
        self._app = app
        self._audit = audit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http" or scope["method"] in SAFE_METHODS:
            await self._app(scope, receive, send)
            return
        heard = _Heard()

        async def receive_and_keep() -> Message:
            return heard.request(await receive())

        held_back: list[Message] = []  # the head of the answer: of one without a body, it is all that a caller sees

        async def send_and_keep(message: Message) -> None:
            heard.answer(message)
            held_back.append(message)
            if heard.whole:
                await asyncio.to_thread(self._record, scope, heard)
            if message["type"] != "http.response.start":
                while held_back:
                    await send(held_back.pop(0))

        try:
            await self._app(scope, receive_and_keep, send_and_keep)
        finally:
            if not heard.whole:
                await asyncio.to_thread(self._record, scope, heard)

    def _record(self, scope: Scope, heard: _Heard) -> None:
        """Not on the loop: it writes to the disk, and a body may have a megabyte."""
        about, answer = _document(heard.body), _document(heard.answered)
        fields = {
            **_target_of(scope["path"]),
            **fields_of(about),
            **fields_of_answer(answer),
            "outcome": outcome_of(heard.status, answer),
            "status": heard.status,
        }
        self._audit.record(action_of(scope["method"], scope["path"]), caller_of(scope), **fields)


class _Heard:
    """What went through."""

    def __init__(self) -> None:
        self.body = b""
        self.status: int | None = None
        self.answered = b""
        self.whole = False
        """Whether all of the answer was heard."""

    def request(self, message: Message) -> Message:
        if message["type"] == "http.request":  # `BodyLimit` sends it in one piece, and has measured it
            self.body += message.get("body", b"")
        return message

    def answer(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            return
        self.whole = not message.get("more_body", False)
        if len(self.answered) < MOST_ANSWER_BYTES:
            self.answered += message.get("body", b"")


def action_of(method: str, path: str) -> str:
    """``PUT /v1/mounts/m`` is ``mount``, its DELETE ``umount``; ``POST /v1/cache/pin`` is ``pin``. Total."""
    match [part for part in path.split("/") if part][:4]:
        case ["v1", "cache", verb]:
            return _text(verb)
        case ["v1", "mounts", _] if method == "DELETE":
            return "umount"
        case ["v1", things] | ["v1", things, _] if method != "DELETE":
            return _text(things.removesuffix("s"))
        case ["v1", things, _]:
            return f"{_text(things.removesuffix('s'))} delete"
        case ["v1", things, _, verb]:
            return f"{_text(things.removesuffix('s'))} {_text(verb)}"
        case _:
            return _text(f"{method} {path}")


def fields_of(body: Mapping[str, Any]) -> dict[str, object]:
    """What a request is about, short enough for a line."""
    found = {name: _short(body[name]) for name in NAMED_FIELDS if body.get(name) is not None}
    if isinstance(blobs := body.get("blob_ids"), list):
        found["blobs"] = len(blobs)
    if isinstance(storage := body.get("storage"), list):
        found["storage"] = [_short(row.get("mount_path")) for row in storage[:MOST_ITEMS] if isinstance(row, dict)]
    return found


def fields_of_answer(answer: Mapping[str, Any]) -> dict[str, object]:
    """What came of it: the id that was given, the state that was reached, how many blobs ended how."""
    found = {name: _short(answer[name]) for name in ("id", "state") if isinstance(answer.get(name), str)}
    if isinstance(results := answer.get("blobs"), list):
        found["results"] = dict(Counter(str(row.get("result")) for row in results if isinstance(row, dict)))
    return found


def outcome_of(status: int | None, answer: Mapping[str, Any]) -> str:
    """``ok``, the stable code of the error, or ``no answer``."""
    if status is None:
        return "no answer"
    return "ok" if status < HTTP_ERROR else str(answer.get("code", status))


def _target_of(path: str) -> dict[str, object]:
    match [part for part in path.split("/") if part]:
        case ["v1", things, target, *_] if things != "cache":
            return {"id": _text(target)}
        case _:
            return {}


def _document(text: bytes) -> Mapping[str, Any]:
    """The JSON object in a body; empty when there is none."""
    try:
        found = json.loads(text) if text else {}
    except (ValueError, RecursionError):  # the application refused it, and that is recorded
        return {}
    return found if isinstance(found, dict) else {}


def _short(value: object) -> object:
    if isinstance(value, list):
        return [_short(item) for item in value[:MOST_ITEMS]]
    return value if isinstance(value, bool | int | float) or value is None else _text(value)


def _text(value: object) -> str:
    return str(value)[:MOST_CHARACTERS]
