"""What the test mount may show. That it is really made is tested with real mounts, in tests/fuse."""

import pytest

from cli.doctor.finding import Level
from cli.doctor.passthrough import judge


@pytest.mark.parametrize(
    ("passthrough", "same", "wanted", "level"),
    [
        (True, True, None, Level.OK),
        (False, True, False, Level.OK),
        (False, True, None, Level.WARN),
        (True, False, None, Level.FAIL),
    ],
)
def test_bytes_count_first_then_passthrough_where_it_is_wanted(
    passthrough: bool, same: bool, wanted: bool | None, level: Level
) -> None:
    finding = judge(passthrough=passthrough, same=same, wanted=wanted)
    assert finding.level is level
    assert bool(finding.remedy) == (level is not Level.OK)
