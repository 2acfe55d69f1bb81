"""The chart is the kustomize base in another form, and refuses values that would not work."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping

import pytest
import yaml

from tests.deploy.rendering import Document, HelmRefused, chart, kustomized, lint, named, of_kind

INFO = 1
"""Helm's own number for a finding that is no warning."""


def comparable(documents: tuple[Document, ...]) -> dict[str, Document]:
    """By kind and name, without what only one of the two tools adds."""
    found = {}
    for document in copy.deepcopy(documents):
        if document["kind"] == "Namespace":  # made by --create-namespace
            continue
        name = document["metadata"]["name"] = re.sub(r"(mows-config)-\w+", r"\1", document["metadata"]["name"])
        for label in ("helm.sh/chart", "app.kubernetes.io/managed-by"):
            document["metadata"].get("labels", {}).pop(label, None)
        if document["kind"] == "ConfigMap":
            document["data"] = {key: yaml.safe_load(text) for key, text in document["data"].items()}
        if document["kind"] == "DaemonSet":
            template = document["spec"]["template"]
            template["metadata"].pop("annotations", None)
            for volume in template["spec"]["volumes"]:
                if "configMap" in volume:
                    volume["configMap"]["name"] = "mows-config"
        found[f"{document['kind']} {name}"] = document
    return found


def test_with_its_own_values_it_is_the_kustomize_base() -> None:
    assert comparable(chart()) == comparable(kustomized("base"))


def test_its_monitoring_is_that_of_the_component() -> None:
    ours = chart({"monitoring": {"enabled": True}})
    theirs = kustomized("overlays/production")
    assert named(ours, "PrometheusRule", "mows")["spec"] == named(theirs, "PrometheusRule", "mows")["spec"]
    assert named(ours, "ConfigMap", "mows-dashboard")["data"] == named(theirs, "ConfigMap", "mows-dashboard")["data"]


def test_runbooks_lead_to_the_copy_that_was_named() -> None:
    [rules] = of_kind(chart({"monitoring": {"enabled": True, "runbookBase": "https://git.example.com/mows/"}}),
                      "PrometheusRule")  # fmt: skip
    links = [rule["annotations"]["runbook_url"] for group in rules["spec"]["groups"] for rule in group["rules"]]
    assert all(link.startswith("https://git.example.com/mows/docs/OPERATIONS.md#") for link in links)


def test_a_changed_configuration_rolls_the_daemons() -> None:
    def mark(values: Mapping[str, object]) -> str:
        annotations = named(chart(values), "DaemonSet", "mows")["spec"]["template"]["metadata"]["annotations"]
        return str(annotations["mows.io/config"])

    assert mark({}) == mark({"daemon": {"maxUnavailable": 2}})
    assert mark({}) != mark({"config": {"log": {"level": "debug"}}})


def test_helm_lint_has_nothing_to_say() -> None:
    assert [finding for finding in lint() if finding["severity"] > INFO] == []


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"image": {"repositry": "x"}}, "repositry"),
        ({"config": {"api": {"listen": "0.0.0.0:8080"}}}, "listen"),
        ({"config": {"cache": {"tiers": [{"path": "/mnt/x", "capacity": "1GiB"}]}}}, "path"),
        ({"config": {"cache": {"tiers": []}}}, "tiers"),
        ({"keeper": {"orphanSeconds": 5}}, "orphanSeconds"),
        ({"hostNetwork": "yes"}, "hostNetwork"),
    ],
)
def test_values_that_would_not_work_are_refused(values: dict[str, object], said: str) -> None:
    with pytest.raises(HelmRefused, match=said):
        chart(values)
