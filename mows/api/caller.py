"""Who sent a request, as the audit log names them: the server puts it into the scope, a token adds its name."""

from __future__ import annotations

from starlette.types import Scope

KEY = "mows.caller"
"""Of the scope's ``state``."""

UNKNOWN = "unknown"


def caller_of(scope: Scope) -> str:
    """``uid:pid`` locally, ``token:<name>@<address>``, ``certificate:<name>@<address>`` or ``@<address>``.

    With a token and a certificate the token counts: it is what lets a caller in.
    """
    return str(scope.get("state", {}).get(KEY, UNKNOWN))


def with_token(scope: Scope, name: str) -> Scope:
    """The scope of a request that showed the token of this name."""
    return {**scope, "state": {**scope.get("state", {}), KEY: f"token:{name}@{address_of(scope)}"}}


def address_of(scope: Scope) -> str:
    """Of the machine at the other end; empty on a Unix socket."""
    client = scope.get("client")
    return str(client[0]) if client else ""
