"""The manifests as a cluster would get them: by ``kubectl kustomize``, and by Helm's own engine."""

from __future__ import annotations

import functools
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from benchmarks.node.processes import REPOSITORY

DEPLOY = REPOSITORY / "deploy"
KUSTOMIZE = DEPLOY / "kustomize"
CHART = DEPLOY / "helm" / "mows"
NAMESPACE = "mows"
MINUTE = 60.0

Document = dict[str, Any]

_HELM = """
import json, sys
import helm_python
request = json.load(sys.stdin)
if request["lint"]:
    answer = helm_python.lint(request["chart"], request["values"], strict=True, namespace=request["namespace"])
else:
    with helm_python.Chart.load(request["chart"]) as chart:
        chart.validate_schema(request["values"])
        answer = chart.render(request["values"], name="mows", namespace=request["namespace"])
json.dump(answer, sys.stdout)
"""
"""In a process of its own: the library brings the Go runtime, which is to have no part in the other tests."""


class HelmRefused(Exception):
    """Helm would not; the message is its own."""


def script(name: str) -> str:
    """A program that a package of the virtual environment brings."""
    return str(Path(sys.executable).with_name(name))


def overlays() -> list[str]:
    """The base and all overlays, as paths below deploy/kustomize."""
    return ["base", *sorted(f"overlays/{path.name}" for path in (KUSTOMIZE / "overlays").iterdir())]


@functools.cache
def kustomized(path: str) -> tuple[Document, ...]:
    """What ``kubectl apply -k deploy/kustomize/PATH`` would send."""
    command = [script("kubectl"), "kustomize", str(KUSTOMIZE / path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=MINUTE)
    assert done.returncode == 0, done.stderr
    return tuple(yaml.safe_load_all(done.stdout))


def chart(values: Mapping[str, object] | None = None) -> tuple[Document, ...]:
    """What ``helm install`` would send. Raises HelmRefused, also for values that the schema does not allow."""
    rendered = _helm(values or {}, lint=False)
    manifests = (text for name, text in sorted(rendered.items()) if name.endswith(".yaml"))
    return tuple(document for text in manifests for document in yaml.safe_load_all(text) if document)


def lint(values: Mapping[str, object] | None = None) -> list[Document]:
    """The findings of ``helm lint --strict``."""
    findings: list[Document] = _helm(values or {}, lint=True)["messages"]
    return findings


def _helm(values: Mapping[str, object], *, lint: bool) -> dict[str, Any]:
    request = {"chart": str(CHART), "values": values, "namespace": NAMESPACE, "lint": lint}
    command = [sys.executable, "-c", _HELM]
    done = subprocess.run(
        command, input=json.dumps(request), capture_output=True, text=True, check=False, timeout=MINUTE
    )
    if done.returncode:
        raise HelmRefused(done.stderr)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def of_kind(documents: tuple[Document, ...], kind: str) -> list[Document]:
    """All of one kind."""
    return [document for document in documents if document["kind"] == kind]


def named(documents: tuple[Document, ...], kind: str, name: str) -> Document:
    """The one of a kind that has this name, or, of a ConfigMap, this name and kustomize's hash."""
    ends = r"(-[a-z0-9]{10})?" if kind == "ConfigMap" else ""
    [found] = [one for one in of_kind(documents, kind) if re.fullmatch(name + ends, one["metadata"]["name"])]
    return found


def pod_of(document: Document) -> Document:
    """The specification of the pods that a DaemonSet makes."""
    spec: Document = document["spec"]["template"]["spec"]
    return spec


def container(document: Document, name: str) -> Document:
    """One container of a DaemonSet's pods."""
    [found] = [one for one in pod_of(document)["containers"] if one["name"] == name]
    return dict(found)


def strings(value: object) -> Iterator[str]:
    """All texts in a document."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from strings(one)
    elif isinstance(value, list):
        for one in value:
            yield from strings(one)
