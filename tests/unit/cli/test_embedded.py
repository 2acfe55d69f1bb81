"""The configuration of a daemon that lives for one command."""

from pathlib import Path

import pytest

from cli.embedded import MIN_MEMORY_BYTES, default_config, memory_capacity
from mows.errors import ConfigError

GIB = 1 << 30


@pytest.mark.parametrize(
    ("available", "tmpfs_free", "capacity"),
    [(64 * GIB, 32 * GIB, 32 * GIB), (16 * GIB, 32 * GIB, 8 * GIB), (16 * GIB, 64 << 20, 0), (GIB, 32 * GIB, 0)],
)
def test_memory_holds_half_of_what_is_available_or_nothing(available: int, tmpfs_free: int, capacity: int) -> None:
    assert memory_capacity(available, tmpfs_free) == capacity


def test_everything_has_a_place_of_its_own_that_goes_with_the_command(tmp_path: Path) -> None:
    with default_config(tmp_path, {}) as config, default_config(tmp_path, {}) as other:
        assert config.mounts.allowed_roots == (tmp_path,)
        assert config.api.socket.parent == config.node.state_dir
        (tier,) = config.cache.tiers
        assert tier.path.is_dir()
        assert tier.capacity_bytes > MIN_MEMORY_BYTES // 1024
        assert {tier.path, config.node.state_dir}.isdisjoint({other.cache.tiers[0].path, other.node.state_dir})
    assert not tier.path.exists()
    assert not config.node.state_dir.exists()


def test_the_environment_overrides(tmp_path: Path) -> None:
    with default_config(tmp_path, {"MOWS_FUSE__PASSTHROUGH": "off"}) as config:
        assert config.fuse.passthrough == "off"


def test_a_variable_that_cannot_be_used_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="passthrough"), default_config(tmp_path, {"MOWS_FUSE__PASSTHROUGH": "x"}):
        pass
