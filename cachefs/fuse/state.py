"""What the next daemon must know of a connection that this one made: INIT is asked once only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cachefs.errors import MountError
from cachefs.fuse.target import Target


@dataclass(frozen=True, slots=True)
class ConnectionState:
    """One connection after its handshake. Survives a trip through JSON: `as_note`, `from_note`."""

    target: Target
    minor: int
    """The protocol both sides speak: 7.`minor`."""
    passthrough: bool
    """Whether the kernel agreed to passthrough, and it worked."""
    resend: bool
    """Whether the kernel can send again what a dead daemon left unanswered (Linux 6.9)."""

    def as_note(self) -> dict[str, object]:
        """A JSON object."""
        return {
            "path": str(self.target.path),
            "created": [str(path) for path in self.target.created],
            "minor": self.minor,
            "passthrough": self.passthrough,
            "resend": self.resend,
        }

    @classmethod
    def from_note(cls, note: Mapping[str, object]) -> Self:
        """What `as_note` gave; further keys are ignored. Raises MountError for anything else."""
        match note:
            case {
                "path": str(path),
                "created": [*created],
                "minor": int(minor),
                "passthrough": bool(passthrough),
                "resend": bool(resend),
            }:
                target = Target(Path(path), tuple(Path(str(directory)) for directory in created))
                return cls(target, minor, passthrough, resend)
        raise MountError(f"not the state of a FUSE connection: {note!r:.200}", hint="unmount, and mount anew")
