"""What the demo says of its steps."""

from __future__ import annotations

import pytest

from benchmarks.demo import Opens, Step


def test_a_step_shows_what_applies_to_it() -> None:
    assert Step("mount", 0.5).cells() == ("mount", "0.50", "", "", "")
    assert Step("load", 2.0, 3_000_000_000, 2**20, "yes").cells() == ("load", "2.00", "1.50", "1.0 MiB", "yes")


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (Opens(1, 1), "nothing opened"),
        (Opens(1, 9), "no"),
        (Opens(9, 1), "yes"),
        (Opens(4, 2), "3 of 4 files"),
    ],
)
def test_passthrough_is_said_of_the_files_opened_since(after: Opens, said: str) -> None:
    assert after.since(Opens(1, 1)) == said
