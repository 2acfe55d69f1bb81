"""Traces of loads, for OpenTelemetry: what is written down as an operation anyhow becomes a span when it has ended.

Each mount is a trace: its root is the operation ``mount`` (or ``restore``, in the next daemon), and whatever is done
for it later, such as ``open``, ``origin.read``, ``peer.read``, ``refresh`` and ``unmount``, is a child of that. What
belongs to no mount, such as a prewarm's requests, stands alone. Without an endpoint nothing of this is imported.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cachefs.operations import Ended, Operation
from mows.config import Config
from mows.errors import ConfigError
from mows.redaction import Redactor

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import SpanContext

ROOTS = frozenset({"mount", "restore"})
LAST = frozenset({"unmount", "hand over"})
MOST_MOUNTS = 1024
"""Traces that may go on. Beyond, the oldest one is forgotten: what is done for its mount begins a new one."""

STOP_MILLISECONDS = 2000


class Tracing:
    """Makes spans of operations. Any thread."""

    def __init__(self, provider: TracerProvider, redact: Redactor) -> None:
        self._tracer = provider.get_tracer("mows")
        self._redact = redact
        # What operations have is monotonic, what spans have is not: one difference for all keeps them in order.
        self._offset_ns = time.time_ns() - time.monotonic_ns()
        self._lock = threading.Lock()  # guards _roots
        self._roots: OrderedDict[str, SpanContext] = OrderedDict()

    def ended(self, operation: Operation, error: BaseException | None) -> None:
        """See `Operations`. The exporter has a thread of its own: nothing here waits."""
        from opentelemetry import trace  # noqa: PLC0415 the extra, which is there when this is

        mount = str(operation.details.get("mount", ""))
        with self._lock:
            root = self._roots.get(mount)
        parent = trace.set_span_in_context(trace.NonRecordingSpan(root)) if root is not None else None
        span = self._tracer.start_span(
            operation.name,
            context=parent,
            start_time=round(operation.began_at * 1e9) + self._offset_ns,
            attributes={f"mows.{name}": self._redact(str(value)) for name, value in operation.details.items()},
        )
        if error is not None:
            span.set_status(trace.StatusCode.ERROR, self._redact(f"{type(error).__name__}: {error}"))
        span.end(time.monotonic_ns() + self._offset_ns)
        if mount:
            self._remember(operation.name, mount, span.get_span_context())

    def _remember(self, name: str, mount: str, context: SpanContext) -> None:
        with self._lock:
            if name in LAST:
                self._roots.pop(mount, None)
            elif name in ROOTS or mount not in self._roots:
                self._roots[mount] = context
                if len(self._roots) > MOST_MOUNTS:
                    self._roots.popitem(last=False)


@contextmanager
def tracing(config: Config, redact: Redactor) -> Iterator[Ended | None]:
    """Whom to tell of operations that ended; None when no traces are wanted. Raises ConfigError."""
    endpoint = config.tracing.endpoint
    if endpoint is None:
        yield None
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 an extra
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError as error:
        raise ConfigError(
            f"tracing.endpoint: {endpoint!r} needs a package that is not installed: {error.name}",
            hint="pip install 'mows[otel]', or set tracing.endpoint to null",
        ) from error
    resource = Resource.create({"service.name": "mows", "service.instance.id": config.node.id})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    exporter = OTLPSpanExporter(endpoint=endpoint, timeout=STOP_MILLISECONDS // 1000)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    try:
        yield Tracing(provider, redact).ended
    finally:
        provider.force_flush(STOP_MILLISECONDS)
        provider.shutdown()
