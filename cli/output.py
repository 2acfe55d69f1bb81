"""What goes to standard output: JSON documents, aligned tables, names.

On a terminal a table has colours (unless NO_COLOR) and fits its width; in a pipe it is plain text of any width, so that
``mows status | grep`` sees whole lines. Errors and progress go to standard error, see `cli.progress` and `cli.app`.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from pydantic import BaseModel

_PIPE_WIDTH = 100_000
"""Wider than any row: a pipe has no width, and nothing may be cut there."""

_GOOD, _BAD = ("mounted", "warm", "ok", "up"), ("failed", "fail", "unreachable", "quarantined")
_STYLES = dict.fromkeys(_GOOD, "green") | dict.fromkeys(_BAD, "red") | {"warn": "yellow"}


def emit_json(document: Any) -> None:  # noqa: ANN401 - any JSON value
    """One document, indented, keys in the daemon's order; values in it may be answers of the daemon."""
    click.echo(json.dumps(document, indent=2, ensure_ascii=False, default=_as_json))


def _as_json(answer: BaseModel) -> dict[str, Any]:
    """As the daemon sent it, but for fields that this version does not know."""
    return answer.model_dump(mode="json")


def emit_line(text: str) -> None:
    """One line."""
    click.echo(printable(text) if sys.stdout.isatty() else text)


def emit_styled(word: str, style: str, rest: str) -> None:
    """One line that begins with a coloured `word`."""
    Console(file=sys.stdout, soft_wrap=True, highlight=False).print(Text.assemble((word, style), printable(rest)))


def emit_note(text: str) -> None:
    """A remark about the output, on standard error: it is not part of it."""
    click.echo(f"note: {text}", err=True)


def emit_table(headers: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> None:
    """Columns with `headers`; the columns whose numbers are in `right` are aligned to the right."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for index, header in enumerate(headers):
        table.add_column(header, justify="right" if index in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell), style=_STYLES.get(cell, "")) for cell in row))
    if sys.stdout.isatty():
        Console(file=sys.stdout).print(table)
    else:
        click.echo(_plain(table))


def _plain(table: Table) -> str:
    buffer = io.StringIO()
    Console(file=buffer, width=_PIPE_WIDTH, no_color=True, force_terminal=False).print(table)
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines())


def printable(text: str) -> str:
    r"""`text` with control characters written as ``\x1b``: the names of objects come from strangers."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
