"""What the configuration says of the things the doctor looks at."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from cachefs.errors import CacheError
from cachefs.origin import Source, parse_source
from cachefs.origin.opening import open_origin
from cachefs.ports import Origin
from cli.doctor.finding import Finding, fail, ok, warn
from cli.doctor.origins import Target
from cli.doctor.tiers import Tier
from mows.config import Config, OriginRule, load_config
from mows.settings import mount_options, origin_settings

DEFAULT_CONFIG = Path("/etc/mows/mows.yaml")

NAME = "configuration"


def read(path: Path | None, environment: dict[str, str]) -> tuple[Finding, Config | None]:
    """The configuration of `path`, else of the usual place, and a finding about it."""
    if path is None and not DEFAULT_CONFIG.exists():
        return warn(NAME, "not checked: no file was named", "name it with --config F"), None
    path = path or DEFAULT_CONFIG
    try:
        return ok(NAME, f"{path} is valid"), load_config(path, environment)
    except CacheError as error:
        return fail(NAME, f"{error} ({error.code})", error.hint), None


def wanted_passthrough(config: Config | None) -> bool | None:
    """None: where the kernel can."""
    return None if config is None else mount_options(config).passthrough


def tiers(config: Config) -> list[Tier]:
    """As the doctor looks at them."""
    return [Tier(tier.path, tier.capacity_bytes, tier.min_free_bytes) for tier in config.cache.tiers]


@contextmanager
def origin_targets(config: Config) -> Iterator[list[Target]]:
    """One for each rule. Where a rule is a NAS, looking at it mounts it, in a directory that ends with the block."""
    with TemporaryDirectory(prefix="mows-doctor-") as state_dir:
        yield [_target(config, rule, Path(state_dir)) for rule in config.origins]


def _target(config: Config, rule: OriginRule, state_dir: Path) -> Target:
    try:
        source = parse_source(rule.match)
    except CacheError:
        # A rule may match by scheme alone, such as s3://: there is nothing to list then.
        return Target(rule.match, None, rule.endpoint or "", partial(_no_origin, rule))
    return Target(rule.match, source.prefix, rule.endpoint or "", partial(_open, config, source, state_dir))


def _open(config: Config, source: Source, state_dir: Path) -> Origin:
    return open_origin(source, origin_settings(config, source), state_dir=state_dir)


def _no_origin(rule: OriginRule) -> Origin:
    raise AssertionError(f"{rule.match} names no origin")
