"""A descriptor is closed by its last user."""

from __future__ import annotations

import pytest

from cachefs.fuse.gate import Gate


class ClosedError(Exception):
    pass


def test_closed_at_once_when_nobody_is_inside() -> None:
    closed: list[str] = []
    gate = Gate(lambda: closed.append("closed"), ClosedError)
    with gate:
        pass
    gate.close()
    gate.close()
    assert closed == ["closed"]
    with pytest.raises(ClosedError), gate:
        pass


def test_the_last_one_out_closes() -> None:
    closed: list[str] = []
    gate = Gate(lambda: closed.append("closed"), ClosedError)
    with gate:
        with gate:
            gate.close()
            assert closed == []
            with pytest.raises(ClosedError), gate:
                pass
        assert closed == []
    assert closed == ["closed"]


def test_an_error_inside_counts_as_leaving() -> None:
    closed: list[str] = []
    gate = Gate(lambda: closed.append("closed"), ClosedError)
    with pytest.raises(ZeroDivisionError), gate:
        raise ZeroDivisionError
    gate.close()
    assert closed == ["closed"]
