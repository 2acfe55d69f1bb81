"""What can go wrong for a caller of the REST API, as one tree. `code` is stable, `hint` the remedy.

::

    ClientError
    ├── DaemonUnreachable      daemon_unreachable   nobody answers there, or the connection broke
    ├── DaemonTimeout          daemon_timeout       it took the request and did not answer in time
    ├── NotMows                not_a_daemon         somebody answers, but not the API of MoWS
    ├── CredentialsUnreadable  invalid_token_file   the token or a certificate cannot be read here
    ├── WorkFailed             the answer's         a mount, instance or prewarm that was waited for has failed
    ├── WaitTimeout            wait_timeout         it is not ready yet
    └── ApiError               the daemon's         the daemon answered with a problem document (RFC 9457)
        ├── Refused            400, 403, 413, 422   the request itself: sending it again changes nothing
        │   └── Unauthorized   401
        ├── NotFound           404
        ├── Conflict           409                  something else is in the way
        ├── OriginFailed       502, 504             the daemon could not get it from the origin
        ├── NoSpace            507                  the cache has no room for it
        └── Unavailable        503                  not now

The classes are what a caller does next; `code` says what it was, and docs/CONTROLLER.md lists the codes.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any


class ClientError(Exception):
    """Base of all. `retryable`: whether the same call may succeed later with nothing changed by the caller."""

    code = "internal"
    retryable = False

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class DaemonUnreachable(ClientError):
    """Nobody answers on the socket or URL, or the connection broke. `sent`: the daemon may have got the request."""

    code = "daemon_unreachable"
    retryable = True

    def __init__(self, message: str, *, hint: str = "", sent: bool) -> None:
        super().__init__(message, hint=hint)
        self.sent = sent


class DaemonTimeout(ClientError):
    """The daemon took the request and did not answer in time."""

    code = "daemon_timeout"
    retryable = True


class NotMows(ClientError):
    """Somebody answers there, but not with what the API of MoWS says."""

    code = "not_a_daemon"


class CredentialsUnreadable(ClientError):
    """The token file or a certificate cannot be read."""

    code = "invalid_token_file"


class WorkFailed(ClientError):
    """What was waited for has failed, for a reason that the daemon gave in its answer."""

    def __init__(self, what: str, error: Mapping[str, Any]) -> None:
        super().__init__(f"{what}: {error.get('message', '')}", hint=str(error.get("hint") or ""))
        self.code = str(error.get("code") or ClientError.code)
        self.retryable = bool(error.get("retryable"))


class WaitTimeout(ClientError):
    """It is not ready yet; the daemon goes on with it."""

    code = "wait_timeout"
    retryable = True


class ApiError(ClientError):
    """The daemon answered with a problem document. `status` is the HTTP status, `problem` the whole document."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        self.status = status
        self.problem = dict(problem)
        self.code = str(problem.get("code") or f"http_{status}")
        # A proxy on the way, or an older daemon, does not say.
        self.retryable = bool(problem.get("retryable", status == HTTPStatus.SERVICE_UNAVAILABLE))
        text = problem.get("detail") or problem.get("title") or f"the daemon answered {status}"
        super().__init__(str(text), hint=str(problem.get("hint") or ""))


class Refused(ApiError):
    """The request cannot be served as it is: a wrong field, a path or source that is not allowed, too large."""


class Unauthorized(Refused):
    """No token, or a wrong one."""


class NotFound(ApiError):
    """There is no such mount, instance, prewarm, blob, source or route."""


class Conflict(ApiError):
    """Something else is in the way: a live one with this id and another body, a path in use, a busy blob."""


class OriginFailed(ApiError):
    """The daemon could not get what it needs from the origin."""


class NoSpace(ApiError):
    """The cache has no room for it; `problem` has `in_the_way`."""


class Unavailable(ApiError):
    """The daemon cannot do it now: it stops, is not ready, or enough others are under way."""


BY_STATUS: Mapping[int, type[ApiError]] = MappingProxyType(
    {
        HTTPStatus.BAD_REQUEST: Refused,
        HTTPStatus.UNAUTHORIZED: Unauthorized,
        HTTPStatus.FORBIDDEN: Refused,
        HTTPStatus.NOT_FOUND: NotFound,
        HTTPStatus.CONFLICT: Conflict,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE: Refused,
        HTTPStatus.UNPROCESSABLE_ENTITY: Refused,
        HTTPStatus.BAD_GATEWAY: OriginFailed,
        HTTPStatus.SERVICE_UNAVAILABLE: Unavailable,
        HTTPStatus.GATEWAY_TIMEOUT: OriginFailed,
        HTTPStatus.INSUFFICIENT_STORAGE: NoSpace,
    }
)
"""The daemon has one status for each kind of error, see `mows.errors.HTTP_STATUS`; the others are plain ApiErrors."""


def api_error(status: int, problem: Mapping[str, Any]) -> ApiError:
    """The error that an answer with this status and problem document stands for."""
    return BY_STATUS.get(status, ApiError)(status, problem)
