"""An origin that is opened when it is needed, once, and closed with the mount."""

from __future__ import annotations

import pytest

from cachefs.errors import InvalidSource, OriginUnavailable
from cachefs.origin import parse_source
from cachefs.types import ByteRange, Deadline
from mows.late_origin import LateOrigin
from tests.unit.mows.twins import SOURCE, MemoryOrigins


def test_it_is_opened_with_the_first_byte_and_closed_at_the_end() -> None:
    origins = MemoryOrigins()
    info = origins.origin.put("model/x", b"weights")
    with LateOrigin(origins, parse_source(SOURCE)) as late:
        assert (late.authority, origins.users) == ("memory://bucket", 0)
        assert b"".join(late.read(info, ByteRange(0, 7), Deadline.after(60))) == b"weights"
        assert late.stat("model/x", Deadline.after(60)) == info
        assert list(late.list("model/", Deadline.after(60))) == [[info]]
        assert origins.users == 1
    assert origins.users == 0
    with pytest.raises(OriginUnavailable, match="the mount is going"):
        late.stat("model/x", Deadline.after(60))


def test_what_cannot_be_opened_is_an_origin_that_is_not_there_and_is_tried_again() -> None:
    origins = MemoryOrigins(error=InvalidSource("no endpoint", hint="set one"))
    info = origins.origin.put("model/x", b"weights")
    late = LateOrigin(origins, parse_source(SOURCE))
    with pytest.raises(OriginUnavailable, match="no endpoint") as caught:
        late.stat("model/x", Deadline.after(60))
    assert caught.value.hint == "set one"
    origins.error = None
    assert late.stat("model/x", Deadline.after(60)) == info
    late.close()
