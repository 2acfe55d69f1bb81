"""Daemons that follow one another on one mount: a program that mounts, or adopts what the keeper holds, and serves.

Run as ``python -m tests.fuse.successive SOCKET SOURCE TARGET JOURNAL [option...]``; prints ``serving``, and obeys lines
on its input. It is killed in mid-read by the tests, so it is a process of its own.
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

from cachefs.fuse import ConnectionState, FileJournal, FuseMount, MountOptions, codec
from cachefs.fuse.abi import InitFlag
from cachefs.ports import Opened, ReadReply
from cachefs.types import ROOT_INO, FileHandle, Ino
from mows.keeping import Keeper
from tests.fuse.directory_fs import DirectoryFileSystem

NAME = "mount/m"


class StableFileSystem(DirectoryFileSystem):
    """Numbers that every process gives alike: an inode is the file's own, and the handle is the inode.

    `hold`: reads of an offset beyond it stay unanswered, for as long as `hold` is not None.
    """

    def __init__(self, root: Path, complete: set[str] | None, hold: int | None) -> None:
        super().__init__(root, complete)
        self.hold = hold
        self.counts: dict[FileHandle, int] = {}
        for path in root.rglob("*"):
            self.ino_of(path)

    def ino_of(self, path: Path) -> Ino:
        ino = ROOT_INO if path == self.root else Ino(os.lstat(path).st_ino + 1000)
        self._paths[ino] = path
        return ino

    def open(self, ino: Ino) -> Opened:
        handle = FileHandle(ino)
        path = self._path(ino)
        with self._lock:
            if handle not in self.counts:
                self.handles[handle] = (path.name, os.open(path, os.O_RDONLY))
                self.counts[handle] = 0
            self.counts[handle] += 1
            fd = self.handles[handle][1]
        return Opened(handle, fd if self._is_complete(path.name) else None)

    def read(self, handle: FileHandle, offset: int, size: int, reply: ReadReply) -> None:
        if self.hold is not None and offset >= self.hold:
            self.parked_count.release()
            return
        super().read(handle, offset, size, reply)

    def release(self, handle: FileHandle) -> bool:
        with self._lock:
            self.counts[handle] -= 1
            if self.counts[handle]:
                return False
            del self.counts[handle]
        return super().release(handle)


def _mask_resend() -> None:
    """A kernel before 6.9, made by not seeing what this one offers."""
    offered = codec.decode_init

    def old(body: memoryview) -> codec.InitRequest:
        request = offered(body)
        return request._replace(flags=request.flags & ~InitFlag.HAS_RESEND)

    codec.decode_init = old


def main(arguments: list[str]) -> None:
    """Options: ``old`` (no resend), ``complete`` (passthrough), ``hold=N`` (see `StableFileSystem`)."""
    socket, source, target, journal_path = map(Path, arguments[:4])
    options = arguments[4:]
    logging.basicConfig(level=logging.WARNING)
    if "old" in options:
        _mask_resend()
    hold = next((int(option.removeprefix("hold=")) for option in options if option.startswith("hold=")), None)
    fs = StableFileSystem(source, None if "complete" in options else set(), hold)
    journal = FileJournal(journal_path)
    mount = FuseMount(fs, target, MountOptions(), journal)
    keeper = Keeper(socket)
    begin(mount, keeper)
    say("serving")
    for line in sys.stdin:
        obey(line.strip(), fs, mount, keeper)
        say("done")


def say(*words: object) -> None:
    """A line for the test."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def begin(mount: FuseMount, keeper: Keeper) -> None:
    """Adopt what the keeper holds, or mount and give it to the keeper."""
    taken = keeper.take(NAME)
    if taken is not None:
        mount.adopt(taken[0], ConnectionState.from_note(taken[1]))
        return
    mount.start()
    give(mount, keeper)


def give(mount: FuseMount, keeper: Keeper) -> None:
    """Let the keeper hold the mount."""
    fd = mount.dup_fd()
    keeper.put(NAME, fd, mount.state().as_note())
    os.close(fd)


def obey(line: str, fs: StableFileSystem, mount: FuseMount, keeper: Keeper) -> None:
    """One line of the test's."""
    match line.split():
        case ["held"]:
            fs.parked_count.acquire()
        case ["put"]:
            keeper.close()  # the connection to the keeper before
            give(mount, keeper)
        case ["opens"]:
            say(sum(fs.counts.values()))
        case ["statistics"]:
            statistics = mount.statistics()
            say(statistics.cached_opens, statistics.passthrough_opens)
        case ["leave"]:
            mount.leave(timeout_seconds=10.0)
        case ["stop"]:
            keeper.drop(NAME)
            mount.stop(timeout_seconds=10.0)


if __name__ == "__main__":
    main(sys.argv[1:])
