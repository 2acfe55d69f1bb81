"""Each query of the dashboard and of the alerts asks for what a real daemon says, and shows labels that it has."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from prometheus_client import Metric
from promql_parser import MatchOp

from deploy.dashboard import dashboard
from tests.deploy.queries import TARGET_LABELS, Asked, asked, grouped, shown, without_variables
from tests.deploy.rendering import KUSTOMIZE, kustomized, named

FILE = KUSTOMIZE / "components" / "monitoring" / "dashboard.json"
DASHBOARD = json.loads(FILE.read_text())
RULES = [
    rule
    for group in named(kustomized("overlays/production"), "PrometheusRule", "mows")["spec"]["groups"]
    for rule in group["rules"]
]
OF_PROMETHEUS = {"up"}


def queries() -> Iterator[tuple[str, str, str]]:
    """(where it stands, query, texts that show labels)."""
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", []):
            yield f"{panel['title']} {target['refId']}", without_variables(target["expr"]), target["legendFormat"]
    for rule in RULES:
        yield rule["alert"], rule["expr"], rule["annotations"]["summary"]


QUERIES = list(queries())


def test_the_dashboard_is_what_its_program_makes() -> None:
    assert dashboard() == DASHBOARD, f"run: python -m deploy.dashboard > {FILE}"


def test_panels_have_places_of_their_own() -> None:
    identities = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(identities)) == len(identities)
    places = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    cells = [
        (x, y) for at in places for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(set(cells)) == len(cells)


@pytest.mark.parametrize(("where", "query", "texts"), QUERIES, ids=[where for where, _, _ in QUERIES])
def test_a_query_finds_what_a_daemon_says(live: list[Metric], where: str, query: str, texts: str) -> None:
    found = asked(query)
    assert found
    labels = set(TARGET_LABELS)
    for one in found:
        if one.metric in OF_PROMETHEUS:
            continue
        series = [sample.labels for family in live for sample in family.samples if sample.name == one.metric]
        assert series, f"no daemon says {one.metric}"
        assert any(_matches(one, having) for having in series), f"nothing fits {one}"
        labels |= {label for having in series for label in having}
    assert grouped(query) | shown(texts) <= labels


def _matches(one: Asked, labels: dict[str, str]) -> bool:
    for label, operator, value in one.matched:
        if label in TARGET_LABELS:
            continue
        if label not in labels:
            return False
        if operator == MatchOp.Equal and labels[label] != value:
            return False
        if operator == MatchOp.Re and not re.fullmatch(value, labels[label]):
            return False
    return True


def test_a_query_with_a_typing_error_would_be_found(live: list[Metric]) -> None:
    for query in ('mows_mounts{stat="failed"}', "mows_mount_count", 'mows_mounts{state="broken"}'):
        with pytest.raises(AssertionError):
            test_a_query_finds_what_a_daemon_says(live, "here", query, "")
    with pytest.raises(AssertionError):
        test_a_query_finds_what_a_daemon_says(live, "here", "sum by (node) (mows_mounts)", "")
