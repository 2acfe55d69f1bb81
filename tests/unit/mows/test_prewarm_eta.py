"""How long filling still takes."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from mows.prewarm_eta import Forecast, Seen

MIB = 1 << 20


def fed(rates: Sequence[float], total: int, *, start: int = 0) -> tuple[Forecast, list[float | None]]:
    """A fill that goes at each of `rates` for one second; with what was said to be left after each."""
    forecast = Forecast(total, Seen(100.0, start))
    local, said = float(start), []
    for second, rate in enumerate(rates, start=1):
        local = min(total, local + rate)
        forecast.see(100.0 + second, int(local))
        said.append(forecast.seconds_left(int(local)))
    return forecast, said


def test_a_steady_fill_is_foretold_exactly() -> None:
    forecast, said = fed([10 * MIB] * 20, 200 * MIB)
    assert said == [pytest.approx(20 - second) for second in range(1, 21)]
    assert forecast.error_ratio(120.0) == pytest.approx(0.0)
    assert forecast.error_ratio(138.0) == pytest.approx(-0.5)


def test_the_wait_for_the_first_bytes_is_no_part_of_the_rate() -> None:
    _, said = fed([0.0] * 50 + [10 * MIB] * 5, 200 * MIB)
    assert said[:50] == [None] * 50
    assert said[50:] == [pytest.approx(left) for left in (19, 18, 17, 16, 15)]


def test_what_was_long_ago_is_forgotten() -> None:
    """The mean since the start would say 11 times as much."""
    _, said = fed([1 * MIB] * 100 + [100 * MIB] * 100, 20_000 * MIB)
    assert said[-1] == pytest.approx((20_000 - 10_100) / 100)


def test_what_was_there_before_is_no_rate() -> None:
    forecast, said = fed([10 * MIB] * 2, 200 * MIB, start=100 * MIB)
    assert said[0] == pytest.approx(9.0)
    assert forecast.bytes_per_second() == pytest.approx(10 * MIB)
    assert forecast.judged is not None
    assert forecast.judged.at == 101.0
    assert forecast.judged.seconds == pytest.approx(9.0)


def test_nothing_is_judged_before_a_tenth() -> None:
    forecast, _ = fed([9 * MIB], 100 * MIB)
    assert (forecast.judged, forecast.error_ratio(200.0)) == (None, None)


def test_a_stalled_fill_has_no_end_in_sight() -> None:
    _, said = fed([10 * MIB] + [0.0] * 100, 200 * MIB)
    assert said[-1] is None


def test_looks_close_together_take_no_memory() -> None:
    forecast = Forecast(1000, Seen(0.0, 0))
    for look in range(1000):
        forecast.see(1.0 + look / 1000, 1 + look // 10)
    assert len(forecast._seen) <= 12
