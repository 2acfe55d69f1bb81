"""What the OpenAPI document says beyond what FastAPI sees in the routes: how requests fail, and who may ask.

docs/openapi.json is the document of a daemon's Unix socket: ``python -m tests.contract.openapi_document`` writes it.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import FastAPI, Path
from pydantic import BaseModel

from cachefs.errors import CacheError, DeadlineExceeded, EmptySource, OriginError, SourceError
from mows.api.event_models import Snapshot
from mows.api.middleware import OPEN_PATHS
from mows.api.problems import MEDIA_TYPE, Problem
from mows.errors import InvalidRequest, RequestTooLarge, SourceNotAllowed, Stopping, Unauthorized, status_of

Answers = dict[int | str, dict[str, Any]]
"""What FastAPI calls the `responses` of a route."""

LISTING = (SourceError, EmptySource, SourceNotAllowed, OriginError, DeadlineExceeded)
"""What asking an origin for what lies below a source can come to."""

_ALWAYS = (Unauthorized, Stopping)
_BODY = (InvalidRequest, RequestTooLarge)
_SCHEMAS = "#/components/schemas/"
_SCHEME = "token"

Name = Annotated[
    str,
    Path(
        description="A name that the caller chooses: a letter or digit, then also '.', '_' and '-'.",
        json_schema_extra={"pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,119}$", "example": "qwen3-32b"},
    ),
]
"""In a path. Only told here, and checked where the thing is made, with a message of its own."""


def fails_with(*kinds: type[CacheError], body: bool = False) -> Answers:
    """The answers of a route that fails with these errors and those below them; `body`: it takes one.

    The errors that every route has come of themselves.
    """
    codes: dict[HTTPStatus, dict[str, str]] = defaultdict(dict)
    codes[HTTPStatus.INTERNAL_SERVER_ERROR][CacheError.code] = "A bug."
    for kind in _with_descendants((*kinds, *_ALWAYS, *(_BODY if body else ()))):
        codes[status_of(kind)][kind.code] = _sentence(kind)
    return {int(status): _answer(sorted(found.items())) for status, found in sorted(codes.items())}


def streams(model: type[BaseModel], *events: str) -> Answers:
    """The answer of a route that sends server-sent events of these names, each with such a document as its data."""
    data = {
        "type": "string",
        "contentMediaType": "application/json",
        "contentSchema": {"$ref": f"{_SCHEMAS}{model.__name__}"},
    }
    event = {
        "type": "object",
        "required": ["event", "data"],
        "properties": {"event": {"enum": sorted(events)}, "data": data},
    }
    return {200: {"description": "Events, each as `schema` says", "content": {"text/event-stream": {"schema": event}}}}


class DocumentedApp(FastAPI):
    """A FastAPI application whose document is complete."""

    @functools.cached_property
    def _document(self) -> dict[str, Any]:
        return _completed(super().openapi())

    def openapi(self) -> dict[str, Any]:
        """See `FastAPI`."""
        return self._document


def _with_descendants(kinds: Iterable[type[CacheError]]) -> Iterator[type[CacheError]]:
    for kind in kinds:
        if "code" in vars(kind):  # else it only stands for those below it
            yield kind
        yield from _with_descendants(kind.__subclasses__())


def _sentence(kind: type[CacheError]) -> str:
    return (kind.__doc__ or "").splitlines()[0]


def _answer(codes: list[tuple[str, str]]) -> dict[str, Any]:
    """A problem document with one of these codes."""
    schema = {
        "allOf": [{"$ref": f"{_SCHEMAS}Problem"}, {"properties": {"code": {"enum": [code for code, _ in codes]}}}]
    }
    description = " ".join(f"`{code}`: {sentence}" for code, sentence in codes)
    return {"description": description, "content": {MEDIA_TYPE: {"schema": schema}}}


def _completed(document: dict[str, Any]) -> dict[str, Any]:
    """With the parts that the answers of `fails_with` refer to, and who may ask."""
    components = document["components"]
    for model in (Problem, Snapshot):
        schema = model.model_json_schema(mode="serialization", ref_template=_SCHEMAS + "{model}")
        components["schemas"] |= schema.pop("$defs", {}) | {model.__name__: schema}
    components["securitySchemes"] = {
        _SCHEME: {
            "type": "http",
            "scheme": "bearer",
            "description": "A token of `api.token_file`, over TCP. The Unix socket needs none.",
        }
    }
    document["security"] = [{_SCHEME: []}]
    _leave_out_the_frameworks_own(document)
    for path in OPEN_PATHS & document["paths"].keys():
        for operation in document["paths"][path].values():
            operation["security"] = []
    return document


def _leave_out_the_frameworks_own(document: dict[str, Any]) -> None:
    """It says of all routes with parameters that these can be wrong, in a form that is not ours. Names cannot be."""
    for name in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(name, None)
    for operations in document["paths"].values():
        for operation in operations.values():
            if MEDIA_TYPE not in operation["responses"].get("422", {}).get("content", {MEDIA_TYPE: None}):
                del operation["responses"]["422"]
