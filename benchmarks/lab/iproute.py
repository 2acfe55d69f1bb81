"""Every call of ``ip`` and ``tc``. Many changes go into one call, as a batch: a lab of nine takes three calls."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Sequence
from typing import Any

from benchmarks.node.errors import NodeError

TIMEOUT_SECONDS = 30.0


class NetworkRefused(NodeError):
    """The kernel or iproute2 would not do what the lab needs; the message is theirs."""


def ip(lines: Iterable[str], *, namespace: str | None = None) -> None:
    """Run commands of ``ip``, one a line without the leading ``ip``, up to the first that fails: NetworkRefused."""
    _batch(["ip", *_inside(namespace)], lines)


def tc(lines: Iterable[str], *, namespace: str) -> None:
    """The same for ``tc``."""
    _batch(["tc", *_inside(namespace)], lines)


def ask(program: str, *words: str, namespace: str | None = None) -> Any:  # noqa: ANN401  whatever the program prints
    """What ``ip`` or ``tc`` answers, as JSON; None for nothing."""
    text = _run([program, *_inside(namespace), "-json", *words], "")
    return json.loads(text) if text.strip() else None


def processes_inside(namespace: str) -> list[int]:
    """Processes that live in a namespace."""
    return [int(pid) for pid in _run(["ip", "netns", "pids", namespace], "").split()]


def namespaces() -> list[str]:
    """All named network namespaces of this machine."""
    return [row["name"] for row in ask("ip", "netns", "list") or []]


def enter(namespace: str) -> list[str]:
    """What to put before a command so that it runs inside.

    Not ``ip netns exec``, which makes a mount namespace too: mounts made inside would not be seen from outside.
    """
    return ["nsenter", f"--net=/run/netns/{namespace}", "--"]


def _inside(namespace: str | None) -> list[str]:
    return [] if namespace is None else ["-netns", namespace]


def _batch(command: Sequence[str], lines: Iterable[str]) -> None:
    _run([*command, "-batch", "-"], "".join(f"{line}\n" for line in lines))


def _run(command: Sequence[str], text: str) -> str:
    try:
        # In a group of its own, so that Ctrl-C in the terminal cannot end it half way.
        done = subprocess.run(
            command, input=text, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False, process_group=0
        )
    except FileNotFoundError as error:
        raise NetworkRefused(f"{command[0]} is missing: install iproute2 and util-linux") from error
    if done.returncode != 0:
        raise NetworkRefused(f"{' '.join(command)}: {done.stderr.strip() or done.returncode} (needs root)\n{text}")
    return done.stdout
