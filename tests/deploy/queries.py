"""What a PromQL query asks for: names of metrics, and which labels of them it matches, groups by or shows."""

from __future__ import annotations

import re
from dataclasses import dataclass

import promql_parser

TARGET_LABELS = frozenset({"instance", "job"})
"""Prometheus gives them to each series of a target."""

_GRAFANA = {"$__rate_interval": "5m", "$instance": ".*"}
_LABELS_OF_SERIES = re.compile(r"{{\s*(?:\$labels\.)?(\w+)\s*}}")


@dataclass(frozen=True, slots=True)
class Asked:
    """One metric of a query, and the labels that the query says something about."""

    metric: str
    matched: tuple[tuple[str, promql_parser.MatchOp, str], ...]
    """(label, operator, value)."""


def without_variables(query: str) -> str:
    """A dashboard's query as Grafana would send it."""
    for variable, value in _GRAFANA.items():
        query = query.replace(variable, value)
    return query


def asked(query: str) -> list[Asked]:
    """Every series that `query` names. Raises ValueError for what Prometheus would not parse."""
    found: list[Asked] = []

    def note(node: object) -> None:
        selector = node.vector_selector if isinstance(node, promql_parser.MatrixSelector) else node
        if isinstance(selector, promql_parser.VectorSelector):
            found.append(Asked(selector.name or "", tuple((m.name, m.op, m.value) for m in selector.matchers.matchers)))

    promql_parser.walk(promql_parser.parse(query), note)
    return found


def grouped(query: str) -> set[str]:
    """The labels that `query` groups or joins by, and those that it drops."""
    clauses = re.findall(r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)", query)
    return {label.strip() for clause in clauses for label in clause.split(",") if label.strip()}


def shown(template: str) -> set[str]:
    """The labels that a legend or an annotation shows."""
    return set(_LABELS_OF_SERIES.findall(template)) - {"value"}
