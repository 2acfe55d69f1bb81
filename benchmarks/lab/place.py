"""A host of the lab, as a value: where it is and how to run something there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.lab.iproute import enter


@dataclass(frozen=True, slots=True)
class Place:
    """One host: a network namespace with one link to the switch."""

    name: str
    """Also the name of its port on the switch."""
    namespace: str
    address: str
    """IPv4, on the one network that all hosts of a lab share and nobody else can reach."""

    @property
    def prefix(self) -> list[str]:
        """Words that make a command run here. Its mounts, files and Unix sockets are those of everybody."""
        return enter(self.namespace)

    def command(self, words: Sequence[str | Path]) -> list[str | Path]:
        """`words` as a command that runs here."""
        return [*self.prefix, *words]
