"""``mows debug dump``: what the daemon does at this moment, to read when it hangs and to attach to a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import click

from cli.client import connect
from cli.options import Invocation, with_invocation
from cli.output import emit_json, emit_line, emit_table
from cli.units import brief_text, size_text
from mows.api.models import Dump

ABOUT = frozenset({"operation", "age_seconds", "seconds_left", "thread"})
HEADERS = ("OPERATION", "AGE", "LEFT", "THREAD", "ABOUT")


@click.group("debug", help="Show what the daemon does at this moment.")
@with_invocation
def command(invocation: Invocation) -> None:
    """What stood between `debug` and the subcommand counts as if it stood before `debug`."""
    click.get_current_context().obj = invocation.given


@command.command("dump", help="Show operations, budgets, recent warnings, tasks and threads.")
@with_invocation
def dump(invocation: Invocation) -> None:
    """The API's answer: no secret is in it."""
    with connect(invocation.endpoint) as api:
        found = api.dump()
    if invocation.as_json:
        emit_json(found)
    else:
        _emit(found)


def _emit(found: Dump) -> None:
    emit_line(f"{found.node}: MoWS {found.version}, process {found.pid}")
    _emit_operations(found.operations)
    for budget in found.budgets:
        emit_line(f"budget {budget['budget']}: {_use(budget)}")
    _emit_lines("recent warnings", found.recent)
    _emit_stacks("task", found.tasks)
    _emit_stacks("thread", found.threads)


def _emit_operations(operations: object) -> None:
    rows = [_row(one) for one in operations if isinstance(one, Mapping)] if isinstance(operations, list) else []
    if rows:
        emit_table(HEADERS, rows, right=(1, 2))
    else:
        emit_line("no operation is under way" if isinstance(operations, list) else f"operations: {operations}")


def _row(operation: Mapping[str, object]) -> tuple[str, ...]:
    about = " ".join(f"{name}={value}" for name, value in operation.items() if name not in ABOUT)
    left = operation.get("seconds_left")
    return (
        str(operation.get("operation")),
        _seconds(operation.get("age_seconds")),
        "-" if left is None else _seconds(left),
        str(operation.get("thread") or "-"),
        about,
    )


def _seconds(value: object) -> str:
    if not isinstance(value, int | float):
        return "-"
    return brief_text(value) if value >= 0 else f"-{brief_text(-value)}"


def _use(budget: Mapping[str, object]) -> str:
    used, limit = budget.get("used_bytes"), budget.get("limit_bytes")
    text = size_text(used) if isinstance(used, int) else str(used)
    return f"{text} of {size_text(limit)}" if isinstance(limit, int) else text


def _emit_lines(title: str, lines: Sequence[str]) -> None:
    if lines:
        emit_line(f"\n{title}:")
    for line in lines:
        emit_line(line)


def _emit_stacks(kind: str, rows: Sequence[Mapping[str, object]]) -> None:
    emit_line("")
    for row in rows:
        stack = row.get("stack")
        emit_line(f"{kind} {row.get('name')}: {' < '.join(map(str, stack)) if isinstance(stack, list) else stack}")
