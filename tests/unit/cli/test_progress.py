"""Plain lines: one for each change of state, and else one in five seconds."""

import io

from cli.progress import LINE_SECONDS, LineReporter, Sample, line_text


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_line_says_what_is_known() -> None:
    sample = Sample("warming", 1 << 30, 2 << 30, eta_seconds=4)
    assert line_text("oss://m/q/", sample, 1.25e9) == (
        "warming oss://m/q/: 50 % (1.0 GiB of 2.0 GiB), 1.2 GB/s, 4 s left"
    )


def test_a_line_leaves_out_what_is_not_known() -> None:
    assert line_text("oss://m/q/", Sample("pending", 0, 0), None) == "pending oss://m/q/"


def test_lines_are_spaced_unless_the_state_changes() -> None:
    stream, clock = io.StringIO(), Clock()
    lines = LineReporter("T", stream, clock)
    lines.show(Sample("mounting", 0, 0))
    lines.show(Sample("mounting", 0, 0))
    lines.show(Sample("warming", 0, 100))
    clock.now += LINE_SECONDS / 2
    lines.show(Sample("warming", 20, 100))
    clock.now += LINE_SECONDS / 2
    lines.show(Sample("warming", 50, 100))
    assert stream.getvalue().splitlines() == [
        "mounting T",
        "warming T: 0 % (0 B of 100 B)",
        "warming T: 50 % (50 B of 100 B), 10 B/s",
    ]


def test_a_total_that_has_just_become_known_is_no_speed() -> None:
    stream, clock = io.StringIO(), Clock()
    lines = LineReporter("T", stream, clock)
    lines.show(Sample("pending", 0, 0))
    clock.now += 0.001
    lines.show(Sample("warming", 100, 100))
    assert stream.getvalue().splitlines()[-1] == "warming T: 100 % (100 B of 100 B)"
