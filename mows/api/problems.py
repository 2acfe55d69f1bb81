"""Errors as RFC 9457 problem documents. The one place where an exception becomes an HTTP answer."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import Field
from starlette.exceptions import HTTPException
from starlette.routing import Match

from cachefs.errors import CacheError, NoSpace
from mows import logs
from mows.api import convert, models
from mows.errors import InvalidRequest, NotFound, http_status

log = logging.getLogger(__name__)

ANSWERED = "mows.answered"
"""Key of the ASGI scope under which an unexpected error stands that was logged and answered already."""

METHODS = ("DELETE", "GET", "POST", "PUT")
"""Of this API."""

MEDIA_TYPE = "application/problem+json"


class Problem(models.Model):
    """A problem document: how every request fails."""

    type: str = Field(examples=["about:blank"])
    title: str
    status: int
    detail: str
    code: str = Field(description="Stable: for programs.")
    hint: str = Field(description="The remedy: for people.")
    retryable: bool = Field(
        default=False, description="Whether the same request may succeed later without anybody changing anything."
    )
    in_the_way: list[models.InTheWay] = Field(
        default_factory=list, description="For `no_space`: what is kept in the cache instead, the largest first."
    )


def problem(status: int, code: str, detail: str, hint: str, **more: object) -> JSONResponse:
    """A problem document. `code` is stable; `hint` is the remedy."""
    document = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return JSONResponse({**document, "code": code, "hint": hint, **more}, status_code=status, media_type=MEDIA_TYPE)


def problem_of(error: CacheError) -> JSONResponse:
    """The problem document of an error in the tree."""
    ways = convert.in_the_way(error) if isinstance(error, NoSpace) else None
    more = {} if ways is None else {"in_the_way": [way.model_dump() for way in ways]}
    return problem(http_status(error), error.code, str(error), error.hint, retryable=error.retryable, **more)


def install(app: FastAPI) -> None:
    """Answer every exception of every route."""
    app.add_exception_handler(CacheError, _on_cache_error)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(Exception, _on_bug)


def _operation(request: Request) -> str:
    return f"{request.method} {request.url.path}"


async def _on_cache_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, CacheError)
    logs.failure(log, _operation(request), error)
    return problem_of(error)


async def _on_invalid_request(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    wrong = InvalidRequest("; ".join(map(_sentence, error.errors())))
    logs.failure(log, _operation(request), wrong)
    return problem_of(wrong)


async def _on_http_error(request: Request, error: Exception) -> JSONResponse:
    """What the framework itself raises: an unknown route, a method that a route has not, a body that is no text."""
    assert isinstance(error, HTTPException)
    if error.status_code == HTTPStatus.BAD_REQUEST:
        return await _on_cache_error(request, InvalidRequest(f"the body: {error.detail}"))
    code = NotFound.code if error.status_code == HTTPStatus.NOT_FOUND else "http_error"
    response = problem(error.status_code, code, f"{_operation(request)}: {error.detail}", NotFound.default_hint)
    response.headers.update(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        response.headers["Allow"] = ", ".join(_methods_of(request))
    return response


def _methods_of(request: Request) -> list[str]:
    """All that this path has. The framework names only those of the first route that it found there."""
    routes = request.app.routes
    return [
        method
        for method in METHODS
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in routes)
    ]


async def _on_bug(request: Request, error: Exception) -> JSONResponse:
    logs.failure(log, _operation(request), error)
    request.scope[ANSWERED] = error
    hint = "this is a bug: report it with the traceback in the daemon's log"
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, CacheError.code, f"{_operation(request)}: {error!r}", hint)


def _sentence(row: dict[str, Any]) -> str:
    return f"{_place(row['loc'])}: {row['msg']}"


def _place(location: Sequence[str | int]) -> str:
    """``body.sources[0]`` as ``sources[0]``; the body itself as ``the body``."""
    steps = [f"[{step}]" if isinstance(step, int) else f".{step}" for step in location if step != "body"]
    return "".join(steps).removeprefix(".") or "the body"
