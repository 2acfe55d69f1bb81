"""One request of the REST API as a value: what to send, and what its answer means. No I/O."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from mows.client.errors import NotMows, api_error

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)

Body = BaseModel | Mapping[str, Any]
"""Of a request: a model of `mows.api`, or a mapping that only the daemon looks at."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back."""

    status: int
    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One request."""

    method: str
    path: str
    read: Callable[[Reply], T]
    """The answer of a successful reply. Raises NotMows."""
    params: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    body: Body | None = None
    extra_seconds: float = 0.0
    """How much longer than other requests the answer may take."""
    repeatable: bool = True
    """Whether sending it twice is as good as sending it once."""

    def content(self) -> bytes | None:
        """The body as it is sent: only what the caller has set, so that the daemon's defaults hold for the rest."""
        if isinstance(self.body, BaseModel):
            return self.body.model_dump_json(exclude_unset=True).encode()
        return None if self.body is None else json.dumps(dict(self.body)).encode()

    def result(self, reply: Reply) -> T:
        """What the reply means. Raises ApiError for a problem document, NotMows for what is no answer of MoWS."""
        raise_for_problem(reply)
        return self.read(reply)


@dataclass(frozen=True, slots=True)
class Stream(Generic[M]):
    """One request that is answered with server-sent events, each a whole state of what it is about."""

    path: str
    model: type[M]

    def event(self, line: str) -> M | None:
        """What one line of the stream tells; None for names of events, comments and blank lines."""
        return decoded(self.model, line.removeprefix("data:").encode()) if line.startswith("data:") else None


def raise_for_problem(reply: Reply) -> None:
    """Raise the ApiError that the reply is, if it is one."""
    if reply.status >= HTTPStatus.MULTIPLE_CHOICES:
        problem = document(reply.body) if "json" in reply.content_type else {}
        raise api_error(reply.status, problem)


def answer(model: type[M]) -> Callable[[Reply], M]:
    """For `Call.read`: the body as a `model`."""
    return lambda reply: decoded(model, reply.body)


def is_gone(reply: Reply) -> bool:
    """For `Call.read` of a DELETE: False when it was accepted, but something still keeps the thing alive."""
    return reply.status != HTTPStatus.ACCEPTED


def nothing(reply: Reply) -> None:
    """For `Call.read` of what is answered without a body."""


def text(reply: Reply) -> str:
    """For `Call.read` of what is no JSON."""
    return reply.body.decode(errors="replace")


def decoded(model: type[M], body: bytes) -> M:
    """`body` as a `model`; fields that this version does not know are left out. Raises NotMows."""
    try:
        return model.model_validate_json(body, extra="ignore")
    except ValidationError as error:
        document(body)  # says it better when it is no JSON at all
        wrong = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, wrong["loc"]))
        raise NotMows(
            f"not the answer that was asked for: {place}: {wrong['msg']}",
            hint="the daemon and this client are of different versions",
        ) from error


def document(body: bytes) -> dict[str, Any]:
    """`body` as a JSON object. Raises NotMows."""
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise NotMows(
            f"not an answer of MoWS: {body[:80].decode(errors='replace')!r}",
            hint="something else listens there: check the socket or URL",
        )
    return found
