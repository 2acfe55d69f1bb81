"""Which sources may be read at all: a caller of the API names them, and the daemon reads them with its own rights.

Without a border a caller could have any directory of this machine mounted into a container, or any address fetched that
this machine can reach, such as the metadata service with the keys of its role.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cachefs.origin import Source
from mows.config import OriginRule, rule_for
from mows.errors import SourceNotAllowed

FILE = "file://"


class SourcePolicy:
    """`allowed` as `mounts.allowed_sources` has it; None: what an entry of `origins` matches, or all if there is none.

    Any thread.
    """

    def __init__(self, allowed: Sequence[str] | None, rules: Sequence[OriginRule]) -> None:
        self._allowed = allowed
        self._rules = tuple(rules)

    def check(self, source: Source) -> None:
        """Raises SourceNotAllowed. Of files both the path and what it leads to must be allowed. Blocks on the disk."""
        if self._allowed is None:
            if self._rules and rule_for(self._rules, source.uri) is None:
                raise SourceNotAllowed(f"source {source.uri!r}: no entry of origins matches it")
            allowed: Sequence[str] = [rule.match for rule in self._rules]
        else:
            allowed = self._allowed
            if not any(lies_below(source.uri, prefix) for prefix in allowed):
                names = ", ".join(allowed) or "nothing"
                raise SourceNotAllowed(f"source {source.uri!r}: lies outside mounts.allowed_sources ({names})")
        if allowed and source.scheme == "file":
            _check_real_path(source, allowed)


def lies_below(uri: str, prefix: str) -> bool:
    """Whether `uri` is `prefix` or below it, by whole names: ``oss://models`` does not allow ``oss://models-x/``."""
    return uri == prefix or uri.startswith(prefix if prefix.endswith("/") else f"{prefix}/")


def _check_real_path(source: Source, allowed: Sequence[str]) -> None:
    real = _real(source.prefix)
    roots = [_real(prefix.removeprefix(FILE)) for prefix in allowed if prefix.startswith(FILE)]
    if not any(real.is_relative_to(root) for root in roots):
        raise SourceNotAllowed(f"source {source.uri!r}: leads to {real}, which is not allowed")


def _real(path: str) -> Path:
    try:
        return Path(f"/{path.lstrip('/')}").resolve()
    except (OSError, RuntimeError) as error:  # RuntimeError: symbolic links that lead in a circle
        raise SourceNotAllowed(f"source {path!r}: cannot be resolved: {error}") from error
