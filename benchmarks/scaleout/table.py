"""Results as tables: Markdown for the documents, aligned text for a terminal. Pure, but for `main`.

``python -m benchmarks.scaleout.table FILE.json...`` prints the Markdown of what `benchmarks.scaleout` and
`benchmarks.scaleout.rivals` wrote with ``--json``: one result, a list of them, or an object with a list of `results`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Result = Mapping[str, Any]
"""One run, as JSON."""

NOTHING = ""
OURS = "mows"


@dataclass(frozen=True, slots=True)
class Table:
    """A head and rows of cells that are ready to be shown. The first `words` columns are text, the rest are numbers."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: int = 1

    def markdown(self) -> str:
        """As Markdown, numbers to the right; ends in a newline."""
        rules = ["---" if index < self.words else "---:" for index in range(len(self.head))]
        return "".join(f"| {' | '.join(cells)} |\n" for cells in (self.head, rules, *self.rows))

    def text(self) -> str:
        """As aligned columns; ends in a newline."""
        widths = [max(map(len, column)) for column in zip(self.head, *self.rows, strict=True)]
        return "".join(f"{self._line(cells, widths)}\n" for cells in (self.head, *self.rows))

    def _line(self, cells: Sequence[str], widths: Sequence[int]) -> str:
        places = enumerate(zip(cells, widths, strict=True))
        aligned = (cell.ljust(width) if index < self.words else cell.rjust(width) for index, (cell, width) in places)
        return "  ".join(aligned).rstrip()


def scenarios(results: Sequence[Result]) -> Table:
    """One row per run of ours. The speed-up is in brackets where T(1) is computed from the links, not measured."""
    head = ("scenario", "checks", "nodes", "last s", "bound s", "ratio", "origin / model", "T(1)/T(N)", "CPU s")
    return Table(head, tuple(_row(result) for result in results), words=2)


def rivals(results: Sequence[Result]) -> Table:
    """One row per run of anybody; the last column is our time by theirs in the same scenario and fleet."""
    head = ("scenario", "by", "nodes", "last s", "bound s", "ratio", "origin / model", "ours / theirs")
    ours = {_contest(result): result["last_seconds"] for result in results if result.get("system", OURS) == OURS}
    return Table(head, tuple(_rival_row(result, ours.get(_contest(result))) for result in results), words=2)


def tables(results: Sequence[Result]) -> list[Table]:
    """What there is to show: our scenarios, and the runs side by side."""
    own = [result for result in results if "system" not in result]
    side_by_side = [result for result in results if "system" in result]
    return ([scenarios(own)] if own else []) + ([rivals(side_by_side)] if side_by_side else [])


def read(path: Path) -> list[Result]:
    """The results in a file. ValueError when it holds something else."""
    document = json.loads(path.read_text())
    results = document.get("results", [document]) if isinstance(document, dict) else document
    if not isinstance(results, list) or not all(isinstance(one, dict) and "last_seconds" in one for one in results):
        raise ValueError(f"{path} holds no results of the scale-out benchmark")
    return results


def main(arguments: list[str] | None = None) -> int:
    """Print all tables; 0."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaleout.table", description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE.json")
    parser.add_argument("--text", action="store_true", help="aligned columns, not Markdown")
    options = parser.parse_args(arguments)
    results = [result for path in options.files for result in read(path)]
    print("\n".join(table.text() if options.text else table.markdown() for table in tables(results)), end="")
    return 0


def _row(result: Result) -> tuple[str, ...]:
    return (_scenario(result), _checks(result), *_numbers(result), _speed_up(result), f"{result['cpu_seconds']:.1f}")


def _speed_up(result: Result) -> str:
    factor = f"{result['alone_seconds'] / result['last_seconds']:.2f}"
    return factor if result["alone_measured"] else f"({factor})"


def _rival_row(result: Result, our_seconds: float | None) -> tuple[str, ...]:
    compared = NOTHING if our_seconds is None else f"{our_seconds / result['last_seconds']:.2f}"
    return (_scenario(result), result.get("system", OURS), *_numbers(result), compared)


def _numbers(result: Result) -> tuple[str, ...]:
    times = (f"{result['last_seconds']:.2f}", f"{result['bound_seconds']:.2f}", f"{result['ratio']:.2f}")
    return (str(result["nodes"]), *times, f"{result['origin_ratio']:.3f}")


def _scenario(result: Result) -> str:
    variant = result.get("variant")
    return f"{result['scenario']} ({variant})" if variant else str(result["scenario"])


def _contest(result: Result) -> tuple[str, int]:
    return _scenario(result), result["nodes"]


def _checks(result: Result) -> str:
    failed = [name for name, right in result["checks"].items() if not right]
    return f"FAILED: {', '.join(failed)}" if failed else f"{len(result['checks'])} right"


if __name__ == "__main__":
    raise SystemExit(main())
