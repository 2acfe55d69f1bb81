"""Tokens that a caller must know, kept in a file: the peers' and the REST API's.

The file is read at each use: it is a few dozen bytes in the page cache, and a token counts, or counts no more, from the
moment the file says so.
"""

from __future__ import annotations

import hmac
import logging
import re
from pathlib import Path

log = logging.getLogger(__name__)

_SENDABLE = re.compile(rb"[\x21-\x7e]+")
"""What fits into an HTTP header as it is."""


def tokens_in(text: bytes) -> tuple[bytes, ...]:
    """One a line, without the white space around them. They need not be `sendable`."""
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def sendable(token: bytes) -> bool:
    """Whether it goes into a header as it is."""
    return _SENDABLE.fullmatch(token) is not None


class TokenFile:
    """One token a line; the first is sent, all are accepted. `setting` names the key of the configuration. Any thread.

    So a token can be changed node by node: add the new one below on every node, then put it first on every node, then
    take the old one out.
    """

    def __init__(self, path: Path, setting: str) -> None:
        self._path = path
        self._setting = setting
        self._problem = ""  # what was logged last: a broken file is one line, not one for each call

    def tokens(self) -> tuple[bytes, ...]:
        """The tokens, without the white space around them. None at all when the file cannot be used."""
        try:
            found = tokens_in(self._path.read_bytes())
        except OSError as error:
            return self._unusable(error.strerror or "cannot be read")
        if not found:
            return self._unusable("it is empty")
        if not all(map(sendable, found)):
            return self._unusable("a token has characters other than printable ASCII")
        self._problem = ""
        return found

    def first(self) -> bytes:
        """The token to send; empty when there is none."""
        return next(iter(self.tokens()), b"")

    def matches(self, given: bytes) -> bool:
        """Whether this is one of the tokens; takes as long for a wrong one as for a nearly right one."""
        return sum(hmac.compare_digest(given, token) for token in self.tokens()) > 0

    def _unusable(self, problem: str) -> tuple[bytes, ...]:
        if problem != self._problem:
            log.error("%s %s: %s: nobody is let in", self._setting, self._path, problem)
            self._problem = problem
        return ()
