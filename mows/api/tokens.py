"""The tokens of the REST API: a file with one bare token, or with one ``name:token`` a line, one for each caller.

The name is for the audit log. A caller sends the token alone; the whole line is accepted too, so that a file with one
line can be given to both sides. The file is read at each use (see `peer.rpc.token_file`): a token counts, or counts no
more, from the moment the file says so.
"""

from __future__ import annotations

import hmac
import re

from peer.rpc.token_file import TokenFile

UNNAMED = "unnamed"

_LINE = re.compile(rb"([A-Za-z0-9._-]{1,64}):(.+)")


def name_of(given: bytes, file: TokenFile) -> str | None:
    """Whose token this is; None: nobody's. Takes as long for a wrong one as for a nearly right one. Blocks."""
    names = [name for line in file.tokens() for name, token in _accepted(line) if hmac.compare_digest(given, token)]
    return names[0] if names else None


def _accepted(line: bytes) -> list[tuple[str, bytes]]:
    """What may be sent for one line, and whose it is."""
    named = _LINE.fullmatch(line)
    if named is None:
        return [(UNNAMED, line)]
    name = named[1].decode("ascii")
    return [(name, named[2]), (name, line)]
