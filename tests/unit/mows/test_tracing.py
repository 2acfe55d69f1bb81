"""Operations become spans, by mount; without an endpoint there is nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from cachefs.errors import OriginUnavailable
from cachefs.operations import Operations
from mows.config import CacheSection, Config, TierSection, TracingSection
from mows.errors import ConfigError
from mows.redaction import Redactor
from mows.tracing import MOST_MOUNTS, Tracing, tracing
from mows.units import Bytes

CACHE = CacheSection(tiers=(TierSection(Path("/tier"), Bytes(1 << 30)),))


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def book(exporter: InMemorySpanExporter) -> Operations:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return Operations(ended=Tracing(provider, Redactor(["the-secret"])).ended)


def _do(book: Operations, name: str, **details: object) -> None:
    with book.watched(name, 1.0, **details):
        pass


def _by_name(exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in exporter.get_finished_spans()}


def test_what_is_done_for_a_mount_is_one_trace(book: Operations, exporter: InMemorySpanExporter) -> None:
    _do(book, "mount", mount="m", source="oss://b/m/")
    _do(book, "open", mount="m", path="oss://b/m/a.safetensors")
    _do(book, "origin.read", mount="m", chunks="0-4", source="oss://b")
    _do(book, "peer.read", mount="m", chunks="4-5", peer="node-b")
    spans = _by_name(exporter)
    root = spans["mount"]
    assert root.parent is None
    for name in ("open", "origin.read", "peer.read"):
        assert spans[name].parent == root.context, name
    assert dict(spans["peer.read"].attributes or {}) == {
        "mows.mount": "m",
        "mows.chunks": "4-5",
        "mows.peer": "node-b",
    }


def test_two_mounts_and_what_belongs_to_none_are_apart(book: Operations, exporter: InMemorySpanExporter) -> None:
    for mount in ("a", "b"):
        _do(book, "mount", mount=mount)
    _do(book, "origin.read", source="oss://b")
    traces = {span.context.trace_id for span in exporter.get_finished_spans()}
    assert len(traces) == 3


def test_after_the_unmount_a_mount_of_that_name_is_another(book: Operations, exporter: InMemorySpanExporter) -> None:
    for name in ("mount", "unmount", "mount"):
        _do(book, name, mount="m")
    first, last, second = exporter.get_finished_spans()
    assert last.parent == first.context
    assert second.parent is None
    assert second.context.trace_id != first.context.trace_id


def test_an_error_is_on_its_span_and_secrets_are_not(book: Operations, exporter: InMemorySpanExporter) -> None:
    with pytest.raises(OriginUnavailable), book.watched("list", 1.0, path="oss://b/the-secret"):
        raise OriginUnavailable("503 for the-secret")
    (span,) = exporter.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR
    assert span.status.description == "OriginUnavailable: 503 for ***"
    assert "the-secret" not in str(dict(span.attributes or {}))


def test_times_are_those_of_the_operation(book: Operations, exporter: InMemorySpanExporter) -> None:
    with book.watched("outer", None):
        _do(book, "inner")
    inner, outer = exporter.get_finished_spans()
    assert outer.start_time is not None
    assert inner.start_time is not None
    assert inner.end_time is not None
    assert outer.end_time is not None
    assert outer.start_time <= inner.start_time <= inner.end_time <= outer.end_time


def test_the_number_of_traces_that_go_on_is_bounded(book: Operations, exporter: InMemorySpanExporter) -> None:
    for number in range(MOST_MOUNTS + 1):
        _do(book, "mount", mount=f"m{number}")
    exporter.clear()
    _do(book, "open", mount="m0")
    _do(book, "open", mount=f"m{MOST_MOUNTS}")
    forgotten, known = exporter.get_finished_spans()
    assert forgotten.parent is None
    assert known.parent is not None


def test_without_an_endpoint_nothing_is_told_and_nothing_is_imported() -> None:
    with tracing(Config(cache=CACHE), Redactor()) as ended:
        assert ended is None
    program = "import sys, mows.core; sys.exit('opentelemetry' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_with_one_there_is_an_exporter(monkeypatch: pytest.MonkeyPatch) -> None:
    config = Config(cache=CACHE, tracing=TracingSection(endpoint="http://127.0.0.1:9/v1/traces"))
    with tracing(config, Redactor()) as ended:
        assert ended is not None


def test_without_the_package_the_configuration_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    config = Config(cache=CACHE, tracing=TracingSection(endpoint="http://127.0.0.1:9/v1/traces"))
    with pytest.raises(ConfigError, match=r"tracing\.endpoint") as refused, tracing(config, Redactor()):
        pass
    assert "mows[otel]" in refused.value.hint
