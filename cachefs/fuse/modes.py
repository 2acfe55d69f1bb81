"""One inode, one mode: how each open must be answered. Pure; `OpenFiles` applies it.

The kernel lets an inode be open either through its page cache or through a backing file, never both (tried on 6.18):

- a passthrough open while a cached open or mapping lives fails with EIO, and so does a cached open while a passthrough
  open lives: the daemon made a mistake, says the kernel, and the user sees it;
- all passthrough opens of an inode must name the same backing id;
- once the last open is released, either mode is free again. A RELEASE reaches us after the kernel has left the mode.

So a blob that becomes complete while somebody reads it is still opened in cached mode by the others, until all have
closed it once.

A takeover inherits modes. The backing id of an earlier daemon stays good: the kernel holds the file that was complete
when it was registered, so further opens share it even while this daemon does not (yet) know a complete file.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, auto

from cachefs.types import Ino


class Choice(Enum):
    """How to answer an open."""

    CACHED = auto()
    REGISTER = auto()
    """Passthrough, as the first: the backing file must be registered. If that fails: CACHED."""
    SHARE = auto()
    """Passthrough, with the backing id that the other opens have."""
    REFUSE = auto()
    """The kernel would only take a passthrough open, but there is no complete file (any more): EIO."""


@dataclass(frozen=True, slots=True)
class InodeState:
    """The mode an inode is in, and how many opens hold it there. `backing_id` is None in cached mode."""

    opens: int
    backing_id: int | None
    inherited: bool = False
    """An earlier daemon registered the backing file."""


class Left(Enum):
    """What a release leaves behind."""

    OPEN = auto()
    """Others still have the inode open."""
    CACHED = auto()
    """Nobody does, and the kernel may hold cached pages of it."""
    PASSTHROUGH = auto()
    """Nobody does, and the backing id is to be given back."""


class ModeTable:
    """The open inodes of one mount. Not thread-safe."""

    def __init__(self) -> None:
        self._inodes: dict[Ino, InodeState] = {}

    def choose(self, ino: Ino, *, complete: bool) -> Choice:
        """How an open of `ino` must be answered; `complete`: there is a backing file, and passthrough is in use."""
        state = self._inodes.get(ino)
        if state is None:
            return Choice.REGISTER if complete else Choice.CACHED
        if state.backing_id is None:
            return Choice.CACHED
        return Choice.SHARE if complete or state.inherited else Choice.REFUSE

    def backing_id(self, ino: Ino) -> int:
        """The id that opens of `ino` share. KeyError when it is not open in passthrough."""
        backing_id = self._inodes[ino].backing_id
        if backing_id is None:
            raise KeyError(ino)
        return backing_id

    def open_inodes(self) -> dict[Ino, InodeState]:
        """Every inode that is open."""
        return dict(self._inodes)

    def restore(self, ino: Ino, state: InodeState) -> None:
        """Take over what an earlier table held."""
        self._inodes[ino] = state

    def opened(self, ino: Ino, backing_id: int | None) -> None:
        """Record an open that is answered as `choose` said. ValueError if the kernel would refuse the answer."""
        state = self._inodes.get(ino, InodeState(0, backing_id))
        if state.backing_id != backing_id:
            raise ValueError(f"inode {ino} is open with backing id {state.backing_id}, not {backing_id}")
        self._inodes[ino] = replace(state, opens=state.opens + 1)

    def released(self, ino: Ino) -> tuple[Left, int | None]:
        """Record a release: what it leaves, and the backing id to give back. KeyError when `ino` is not open."""
        state = self._inodes[ino]
        if state.opens > 1:
            self._inodes[ino] = replace(state, opens=state.opens - 1)
            return Left.OPEN, None
        del self._inodes[ino]
        return (Left.CACHED if state.backing_id is None else Left.PASSTHROUGH), state.backing_id
