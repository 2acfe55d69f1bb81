"""Results as pictures: where the bytes of a run came from over time, and who was how fast, side by side.

SVG without a display and without a date in it, so that the same result gives the same file. The background is
transparent and all colours are of middle lightness: a page may be light or dark.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from benchmarks.scaleout.table import OURS, Result

ORIGIN_COLOUR = "#d9822b"
PEERS_COLOUR = "#3d8fb5"
RIVAL_COLOUR = "#8a8f98"
INK = "#808080"

MEGABYTE = 1e6
SIZE_INCHES = (8.0, 3.6)
STYLE = Path(__file__).with_suffix(".mplstyle")


def plot(result: Result, path: Path) -> None:
    """Throughput of all nodes together, stacked by source; the bound as a dashed line; a tick where a node finished."""
    with style.context(STYLE):
        figure, axes = _figure(title(result))
        _throughput(axes, result["timeline"])
        _bound_rate(axes, result)
        _finishes(axes, result["finish_seconds"])
        axes.set_xlabel("seconds")
        axes.set_ylabel("MB/s, all nodes")
        axes.set_xlim(left=0.0)
        axes.set_ylim(bottom=0.0)
        _save(figure, axes, path)


def compare_plot(results: Sequence[Result], path: Path) -> None:
    """A bar for the last finish of each system, its bound as a dashed line. ValueError without results."""
    if not results:
        raise ValueError("nothing to compare")
    with style.context(STYLE):
        figure, axes = _figure("Last of the nodes to have the model")
        bars = list(enumerate(reversed(results)))
        axes.barh(
            [place for place, _ in bars],
            [result["last_seconds"] for _, result in bars],
            color=[PEERS_COLOUR if _system(result) == OURS else RIVAL_COLOUR for _, result in bars],
            gid="last",
        )
        for place, result in bars:
            label = "bound" if place == 0 else None
            span = [place - 0.45, place + 0.45]
            bound = [result["bound_seconds"]] * 2
            axes.plot(bound, span, linestyle="--", color=ORIGIN_COLOUR, label=label, gid=f"bound-{place}")
            axes.text(result["last_seconds"], place, f" {result['last_seconds']:.1f} s", va="center")
        axes.set_yticks([place for place, _ in bars], [_bar_name(result) for _, result in bars])
        axes.set_xlabel("seconds")
        axes.set_xlim(left=0.0, right=1.12 * max(result["last_seconds"] for result in results))
        _save(figure, axes, path)


def title(result: Result) -> str:
    """What was run, and how near to the bound."""
    variant = f" ({result['variant']})" if result.get("variant") else ""
    took = f"{result['last_seconds']:.1f} s, {result['ratio']:.2f} x the bound"
    return f"{result['scenario']}{variant}, {result['nodes']} nodes: {took}"


def _figure(heading: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=SIZE_INCHES)
    FigureCanvasSVG(figure)
    axes = figure.add_subplot()
    axes.set_title(heading)
    return figure, axes


def _throughput(axes: Axes, timeline: Sequence[Mapping[str, float]]) -> None:
    times = [sample["t"] for sample in timeline]
    origin = [sample["origin_bytes_per_second"] / MEGABYTE for sample in timeline]
    peers = [sample["peer_bytes_per_second"] / MEGABYTE for sample in timeline]
    areas = axes.stackplot(
        times, origin, peers, labels=["from the origin", "from peers"], colors=[ORIGIN_COLOUR, PEERS_COLOUR], alpha=0.85
    )
    for area, name in zip(areas, ("origin", "peers"), strict=True):
        area.set_gid(name)


def _bound_rate(axes: Axes, result: Result) -> None:
    """The rate of all nodes together with which they would finish exactly at the bound."""
    rate = result["nodes"] * result["model_bytes"] / result["bound_seconds"] / MEGABYTE
    axes.axhline(rate, linestyle="--", linewidth=1.0, color=INK, label="the bound", gid="bound")


def _finishes(axes: Axes, finish_seconds: Mapping[str, float]) -> None:
    """Ticks on the time axis."""
    axes.plot(
        sorted(finish_seconds.values()),
        [0.0] * len(finish_seconds),
        linestyle="none",
        marker="|",
        markersize=14.0,
        color=INK,
        clip_on=False,
        label="a node has all",
        gid="finishes",
    )


def _system(result: Result) -> str:
    return str(result.get("system", OURS))


def _bar_name(result: Result) -> str:
    variant = f" ({result['variant']})" if result.get("variant") else ""
    return f"{result['scenario']}{variant}: {_system(result)}"


def _save(figure: Figure, axes: Axes, path: Path) -> None:
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    figure.savefig(path, format="svg", metadata={"Date": None})
