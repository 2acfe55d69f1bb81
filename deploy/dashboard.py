"""Makes the Grafana dashboard: ``python -m deploy.dashboard > deploy/kustomize/components/monitoring/dashboard.json``.

Rows answer, from the top down, what a person asks whose model starts slowly: is anything broken, where do the bytes
come from, what do readers wait for, is the cache large enough, and who of the peers is it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass

WIDTH = 24
ROW_PANELS = 3
HEIGHT = 8
NODES = 'instance=~"$instance"'


@dataclass(frozen=True, slots=True)
class Panel:
    """A title, the unit of its axis in Grafana's words, and queries by legend."""

    title: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    text: str = ""
    kind: str = "timeseries"


def _one(title: str, unit: str, legend: str, query: str, text: str = "", kind: str = "timeseries") -> Panel:
    return Panel(title, unit, ((legend, query),), text, kind)


def _rate(name: str, **matchers: str) -> str:
    chosen = "".join(f',{label}="{value}"' for label, value in matchers.items())
    return f"rate({name}{{{NODES}{chosen}}}[$__rate_interval])"


ROWS: tuple[tuple[str, tuple[Panel, ...]], ...] = (
    (
        "Is anything broken",
        (
            _one("Daemons", "short", "{{version}}", f"sum by (version) (mows_build_info{{{NODES}}})", kind="stat"),
            _one("Mounts", "short", "{{state}}", f"sum by (state) (mows_mounts{{{NODES}}})"),
            Panel(
                "Should be nothing",
                "short",
                (
                    ("failed reads/s {{instance}}", _rate("mows_fetch_failed_reads_total")),
                    ("errors to readers/s {{instance}} {{mount}}", _rate("mows_fuse_errors_total")),
                    ("tier down {{instance}} {{tier}}", f"mows_tier_up{{{NODES}}} == 0"),
                    ("origin down {{instance}} {{origin}}", f"mows_origin_down{{{NODES}}} == 1"),
                    ("no keeper {{instance}}", f"mows_keeper_connected{{{NODES}}} == 0"),
                ),
                "Any line here has an alert, and a paragraph in docs/OPERATIONS.md.",
            ),
        ),
    ),
    (
        "Where the bytes come from",
        (
            _one("Fetched by source", "Bps", "{{source}}", f"sum by (source) ({_rate('mows_fetched_bytes_total')})"),
            _one(
                "Copies that left the origin",
                "short",
                "{{mount}}",
                f'sum by (mount) (mows_mount_fetched_bytes_total{{{NODES},source="origin"}})'
                f" / max by (mount) (mows_mount_bytes{{{NODES}}})",
                "Over all nodes that have the mount: 1 is once for all of them together.",
            ),
            _one(
                "Fetched by mount",
                "Bps",
                "{{mount}} from {{source}}",
                f"sum by (mount, source) ({_rate('mows_mount_fetched_bytes_total')})",
            ),
        ),
    ),
    (
        "What readers wait for",
        (
            Panel(
                "Reads that wait",
                "short",
                (
                    ("waiting now {{instance}}", f"mows_fetch_parked_reads{{{NODES}}}"),
                    ("waited/s {{instance}}", _rate("mows_fetch_waits_total")),
                ),
            ),
            _one(
                "Time of a wait",
                "s",
                "{{instance}}",
                f"{_rate('mows_fetch_wait_seconds_total')} / {_rate('mows_fetch_waits_total')}",
            ),
            _one(
                "How files are opened",
                "ops",
                "{{mode}}",
                f"sum by (mode) ({_rate('mows_fuse_opens_total')})",
                "passthrough: complete, read without the daemon. cached: still being fetched, or a kernel before 6.9.",
            ),
        ),
    ),
    (
        "The origin",
        (
            Panel(
                "Requests at the origin",
                "short",
                (
                    ("now {{instance}} {{origin}}", f"mows_origin_requests_in_flight{{{NODES}}}"),
                    ("allowed {{instance}} {{origin}}", f"mows_origin_concurrency_limit{{{NODES}}}"),
                ),
            ),
            _one("Asked to slow down", "ops", "{{instance}}", _rate("mows_fetch_throttles_total")),
            _one("Requests made again", "ops", "{{instance}}", _rate("mows_fetch_retries_total")),
        ),
    ),
    (
        "The cache",
        (
            _one(
                "Used",
                "percentunit",
                "{{instance}} {{tier}}",
                f"mows_tier_used_bytes{{{NODES}}} / mows_tier_capacity_bytes{{{NODES}}}",
            ),
            Panel(
                "Bytes that gave way",
                "Bps",
                (
                    ("evicted {{instance}}", _rate("mows_store_evicted_bytes_total")),
                    ("moved to disk {{instance}}", _rate("mows_store_demoted_bytes_total")),
                ),
                "Evicted, and fetched again later: the cache is too small for what is read.",
            ),
            Panel(
                "Faults",
                "short",
                (
                    ("corrupt chunks {{instance}}", _rate("mows_store_corrupt_chunks_total")),
                    ("failed calls {{instance}} {{tier}}", _rate("mows_tier_faults_total")),
                    ("no room {{instance}}", _rate("mows_store_no_space_total")),
                ),
            ),
        ),
    ),
    (
        "Peers",
        (
            _one("Peers by state", "short", "{{state}}", f"sum by (state) (mows_peers{{{NODES}}})"),
            _one(
                "Who gives to whom",
                "Bps",
                "{{peer}} to {{instance}}",
                f"sum by (instance, peer) ({_rate('mows_peer_received_bytes_total')})",
            ),
            Panel(
                "Slow or wrong",
                "short",
                (
                    ("hedged/s {{instance}}", _rate("mows_peer_hedges_total")),
                    ("taken over/s {{instance}}", _rate("mows_peer_takeovers_total")),
                    ("failed/s {{instance}} asks {{peer}}", _rate("mows_peer_failures_total")),
                    ("corrupt/s {{instance}} from {{peer}}", _rate("mows_peer_corrupt_chunks_total")),
                ),
            ),
        ),
    ),
    (
        "The process",
        (
            _one("Memory", "bytes", "{{instance}}", f"process_resident_memory_bytes{{{NODES}}}"),
            _one("Processors", "short", "{{instance}}", _rate("process_cpu_seconds_total")),
            _one("Prewarms", "short", "{{state}}", f"sum by (state) (mows_prewarms{{{NODES}}})"),
        ),
    ),
)


def dashboard() -> dict[str, object]:
    """The document that Grafana imports."""
    return {
        "uid": "mows",
        "title": "MoWS: model weights",
        "tags": ["mows"],
        "schemaVersion": 39,
        "editable": False,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {
            "list": [
                {"name": "datasource", "label": "Source", "type": "datasource", "query": "prometheus"},
                {
                    "name": "instance",
                    "label": "Node",
                    "type": "query",
                    "datasource": _SOURCE,
                    "query": "label_values(mows_build_info, instance)",
                    "refresh": 2,
                    "includeAll": True,
                    "multi": True,
                    "current": {"text": "All", "value": "$__all"},
                },
            ]
        },
        "panels": list(_panels()),
    }


_SOURCE = {"type": "prometheus", "uid": "${datasource}"}


def _panels() -> Iterator[dict[str, object]]:
    identity = 0
    for number, (title, panels) in enumerate(ROWS):
        top = number * (HEIGHT + 1)
        identity += 1
        yield {"id": identity, "type": "row", "title": title, "gridPos": _place(0, top, WIDTH, 1), "collapsed": False}
        width = WIDTH // ROW_PANELS
        for column, panel in enumerate(panels):
            identity += 1
            yield _panel(identity, panel, _place(column * width, top + 1, width, HEIGHT))


def _place(x: int, y: int, width: int, height: int) -> dict[str, int]:
    return {"x": x, "y": y, "w": width, "h": height}


def _panel(identity: int, panel: Panel, place: dict[str, int]) -> dict[str, object]:
    targets = [
        {"refId": chr(ord("A") + index), "datasource": _SOURCE, "expr": query, "legendFormat": legend}
        for index, (legend, query) in enumerate(panel.queries)
    ]
    return {
        "id": identity,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.text,
        "datasource": _SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": targets,
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(dashboard(), indent=1) + "\n")
