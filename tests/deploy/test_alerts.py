"""promtool takes the alerts; they ring when they should and only then; each leads to what a person should do."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.node.processes import REPOSITORY
from tests.deploy.test_queries import RULES

DOCUMENT = (REPOSITORY / "docs" / "OPERATIONS.md").read_text()
LENGTH = 60
"""Minutes, of one sample each: longer than any alert waits."""

NODE = {"instance": "a", "job": "mows/mows"}


def flat(value: float) -> str:
    """A series that stays."""
    return f"{value:g}x{LENGTH}"


def rising(step: float) -> str:
    """A counter that grows by `step` a minute."""
    return f"0+{step:g}x{LENGTH}"


Series = Mapping[str, str]

RINGING: dict[str, Series] = {
    "MowsDaemonDown": {"up": flat(0)},
    "MowsKeeperGone": {"mows_keeper_connected": flat(0)},
    "MowsReadsFail": {"mows_fetch_failed_reads_total": rising(3)},
    "MowsMountFailed": {'mows_mounts{state="failed"}': flat(2)},
    "MowsReadsStall": {"mows_fetch_parked_reads": flat(4), 'mows_fetched_bytes_total{source="origin"}': flat(1000)},
    "MowsOriginDown": {'mows_origin_down{origin="oss://models"}': flat(1)},
    "MowsOriginThrottles": {"mows_fetch_throttles_total": rising(60)},
    "MowsTierDown": {'mows_tier_up{tier="/var/cache/mows"}': flat(0)},
    "MowsCacheTooSmall": {"mows_store_no_space_total": rising(1)},
    "MowsCorruptChunks": {"mows_store_corrupt_chunks_total": rising(1)},
    "MowsPeerCorrupt": {'mows_peer_corrupt_chunks_total{peer="b",zone="z"}': rising(1)},
    "MowsPeersUnreachable": {'mows_peers{state="unreachable"}': flat(1), 'mows_peers{state="up"}': flat(3)},
    "MowsPeerProblem": {'mows_peer_problems{code="peer_refused"}': flat(1)},
    "MowsOriginAmplification": {
        'mows_mount_fetched_bytes_total{mount="m",source="origin"}': flat(100),
        'mows_mount_bytes{mount="m"}': flat(100),
        'mows_mount_fetched_bytes_total{mount="m",source="origin",other="node"}': flat(100),
        'mows_mount_bytes{mount="m",other="node"}': flat(100),
    },
}
WELL: Series = {
    "up": flat(1),
    "mows_keeper_connected": flat(1),
    "mows_fetch_failed_reads_total": flat(7),
    'mows_mounts{state="failed"}': flat(0),
    'mows_mounts{state="mounted"}': flat(3),
    "mows_fetch_parked_reads": flat(4),
    'mows_fetched_bytes_total{source="origin"}': flat(1000),
    'mows_fetched_bytes_total{source="peer"}': rising(1000),
    'mows_origin_down{origin="oss://models"}': flat(0),
    "mows_fetch_throttles_total": rising(1),
    'mows_tier_up{tier="/var/cache/mows"}': flat(1),
    "mows_store_no_space_total": flat(2),
    "mows_store_corrupt_chunks_total": flat(1),
    'mows_peer_corrupt_chunks_total{peer="b",zone="z"}': flat(1),
    'mows_peers{state="up"}': flat(3),
    'mows_peers{state="unreachable"}': flat(0),
    'mows_mount_fetched_bytes_total{mount="m",source="origin"}': flat(102),
    'mows_mount_bytes{mount="m"}': flat(100),
}
"""A busy node on which everything is as it should be, whatever it went through before."""


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The rules as Prometheus reads them: without the object of Kubernetes around them."""
    path = tmp_path_factory.mktemp("rules") / "rules.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "mows", "rules": RULES}]}))
    return path


def promtool(*words: str | Path) -> None:
    """Run it; AssertionError with what it says when it is not content."""
    done = subprocess.run(["promtool", *words], capture_output=True, text=True, check=False, timeout=60.0)
    assert done.returncode == 0, done.stdout + done.stderr


def with_labels(series: str) -> str:
    """The series as Prometheus scrapes it from a node."""
    name, _, own = series.partition("{")
    target = ",".join(f'{label}="{value}"' for label, value in NODE.items())
    return f"{name}{{{target},{own}" if own else f"{name}{{{target}}}"


def expectation(tmp_path: Path, rules: Path, series: Series, ringing: Mapping[str, bool]) -> Path:
    """A test for promtool: after an hour of `series`, which alerts ring."""
    checks: list[dict[str, Any]] = [
        {
            "expr": f'count(ALERTS{{alertname="{name}",alertstate="firing"}}) > 0 or vector(0)',
            "eval_time": f"{LENGTH}m",
            "exp_samples": [{"value": 1 if rings else 0}],
        }
        for name, rings in ringing.items()
    ]
    test = {
        "interval": "1m",
        "input_series": [{"series": with_labels(name), "values": values} for name, values in series.items()],
        "promql_expr_test": checks,
    }
    path = tmp_path / "test.yaml"
    path.write_text(yaml.safe_dump({"rule_files": [str(rules)], "evaluation_interval": "1m", "tests": [test]}))
    return path


def test_promtool_takes_them(rules: Path) -> None:
    promtool("check", "rules", "--lint=all", "--lint-fatal", rules)


def test_none_rings_on_a_node_that_is_well(tmp_path: Path, rules: Path) -> None:
    promtool("test", "rules", expectation(tmp_path, rules, WELL, {rule["alert"]: False for rule in RULES}))


def test_each_rings_for_its_own_fault_and_for_nothing_else(tmp_path: Path, rules: Path) -> None:
    assert set(RINGING) == {rule["alert"] for rule in RULES}
    for name, series in RINGING.items():
        promtool("test", "rules", expectation(tmp_path, rules, series, {other: other == name for other in RINGING}))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["alert"]))
def test_each_leads_to_a_paragraph_that_says_what_to_do(rule: dict[str, Any]) -> None:
    file, _, anchor = rule["annotations"]["runbook_url"].partition("#")
    assert file == "docs/OPERATIONS.md"
    headings = {_anchor(heading): heading for heading in re.findall(r"^#+ (.+)$", DOCUMENT, re.MULTILINE)}
    assert headings.get(anchor) == rule["alert"]
    paragraph = DOCUMENT.split(f"### {rule['alert']}\n")[1].split("\n#")[0]
    assert "**Do:**" in paragraph


def test_the_document_explains_no_alert_that_is_not_there() -> None:
    section = DOCUMENT.split("\n## Alerts\n")[1].split("\n## ")[0]
    assert re.findall(r"^### (\w+)$", section, re.MULTILINE) == [rule["alert"] for rule in RULES]


def _anchor(heading: str) -> str:
    """As the usual viewers of Markdown make it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
