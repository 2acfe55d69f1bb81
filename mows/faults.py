"""The labels of everything that can be made to fail in a daemon, and the plan that its environment names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from cachefs import faults
from cachefs.origin import faulty as origins
from cachefs.store import oscalls as store
from mows.errors import ConfigError
from peer import faulty as peers

LABELS: Final = frozenset({faults.CLOCK}) | store.LABELS | origins.LABELS | peers.LABELS
"""Every label. A test fails for one that no test makes fail."""


def planned_faults(environment: Mapping[str, str]) -> faults.PlannedFaults | None:
    """What is to go wrong on purpose, which is logged as a WARNING; None in production. Raises ConfigError."""
    try:
        return faults.planned(environment, LABELS)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ConfigError(
            f"{faults.PLAN_VARIABLE}={environment[faults.PLAN_VARIABLE]}: {error}",
            hint=f"unset {faults.PLAN_VARIABLE}: it makes a daemon fail on purpose, for tests",
        ) from error
