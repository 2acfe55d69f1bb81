"""No sequence of opens and releases breaks the kernel's rule of one mode per inode."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from cachefs.fuse.modes import Choice, InodeState, Left, ModeTable
from cachefs.types import FileHandle, Ino

INODE = Ino(5)


def test_incomplete_is_cached() -> None:
    assert ModeTable().choose(INODE, complete=False) is Choice.CACHED


def test_complete_is_registered_once_and_shared() -> None:
    table = ModeTable()
    assert table.choose(INODE, complete=True) is Choice.REGISTER
    table.opened(INODE, 9)
    assert table.choose(INODE, complete=True) is Choice.SHARE
    assert table.backing_id(INODE) == 9
    assert table.choose(Ino(6), complete=True) is Choice.REGISTER


def test_a_blob_that_gets_complete_while_open_stays_cached_until_all_have_closed() -> None:
    table = ModeTable()
    table.opened(INODE, None)
    assert table.choose(INODE, complete=True) is Choice.CACHED
    table.opened(INODE, None)
    assert table.released(INODE) == (Left.OPEN, None)
    assert table.choose(INODE, complete=True) is Choice.CACHED
    assert table.released(INODE) == (Left.CACHED, None)
    assert table.choose(INODE, complete=True) is Choice.REGISTER


def test_the_backing_id_comes_back_with_the_last_release() -> None:
    table = ModeTable()
    table.opened(INODE, 9)
    table.opened(INODE, 9)
    assert table.released(INODE) == (Left.OPEN, None)
    assert table.released(INODE) == (Left.PASSTHROUGH, 9)


def test_no_cached_open_beside_passthrough() -> None:
    table = ModeTable()
    table.opened(INODE, 9)
    assert table.choose(INODE, complete=False) is Choice.REFUSE


def test_an_inherited_backing_file_is_shared_until_the_last_release() -> None:
    """The kernel holds the file that was complete; this daemon may not know it as complete."""
    table = ModeTable()
    table.restore(INODE, InodeState(1, 9, inherited=True))
    assert table.choose(INODE, complete=False) is Choice.SHARE
    table.opened(INODE, 9)
    assert table.open_inodes() == {INODE: InodeState(2, 9, inherited=True)}
    assert table.released(INODE) == (Left.OPEN, None)
    assert table.released(INODE) == (Left.PASSTHROUGH, 9)
    assert table.choose(INODE, complete=False) is Choice.CACHED


def test_what_the_kernel_would_refuse_is_not_recorded() -> None:
    table = ModeTable()
    table.opened(INODE, 9)
    for backing_id in (None, 8):
        with pytest.raises(ValueError, match="is open with backing id 9"):
            table.opened(INODE, backing_id)
    assert table.released(INODE) == (Left.PASSTHROUGH, 9)


def test_unknown_names_are_errors() -> None:
    table = ModeTable()
    with pytest.raises(KeyError):
        table.released(INODE)
    with pytest.raises(KeyError):
        table.backing_id(INODE)
    table.opened(INODE, None)
    with pytest.raises(KeyError):
        table.backing_id(INODE)


class Kernel(RuleBasedStateMachine):
    """Opens and releases in any order, checked by the kernel's own rule: `iomode.c` as DESIGN section 6 found it."""

    handles: Bundle[FileHandle] = Bundle("handles")

    @initialize()
    def begin(self) -> None:
        self.table = ModeTable()
        self.next = 0
        self.registered: set[int] = set()
        self.kernel: dict[FileHandle, tuple[Ino, int | None]] = {}

    @rule(target=handles, ino=st.sampled_from([Ino(2), Ino(3)]), complete=st.booleans(), works=st.booleans())
    def open(self, ino: Ino, complete: bool, works: bool) -> FileHandle:
        self.next += 1
        handle = FileHandle(self.next)
        match self.table.choose(ino, complete=complete):
            case Choice.REFUSE:
                return FileHandle(0)
            case Choice.SHARE:
                backing_id: int | None = self.table.backing_id(ino)
            case Choice.REGISTER if works:
                backing_id = self.next
                self.registered.add(backing_id)
            case _:
                backing_id = None
        self.table.opened(ino, backing_id)
        self.kernel[handle] = ino, backing_id
        return handle

    @rule(handle=consumes(handles))
    def release(self, handle: FileHandle) -> None:
        if handle == 0:
            return
        ino, backing_id = self.kernel.pop(handle)
        left = self.table.released(ino)
        last = all(other != ino for other, _ in self.kernel.values())
        mode = Left.CACHED if backing_id is None else Left.PASSTHROUGH
        assert left == ((mode, backing_id) if last else (Left.OPEN, None))
        if last and backing_id is not None:
            self.registered.remove(backing_id)

    @invariant()
    def one_inode_has_one_mode_and_one_backing_file(self) -> None:
        by_inode: dict[Ino, set[int | None]] = {}
        for ino, backing_id in self.kernel.values():
            by_inode.setdefault(ino, set()).add(backing_id)
        assert all(len(ids) == 1 for ids in by_inode.values())
        assert self.registered == {backing_id for _, backing_id in self.kernel.values() if backing_id is not None}


TestKernel = Kernel.TestCase
