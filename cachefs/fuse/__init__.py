"""The kernel's FUSE protocol on /dev/fuse: mount, device threads, decode, encode. Knows the `FileSystem` port only.

::

    abi, codec, listing     bytes and values, pure
    modes                   which open may be answered how, pure
    device, gate            one connection and its end
    handshake               INIT
    adapter                 request in, answer out; what failed becomes an errno
    replies                 answers to reads, from any thread
    open_files              modes applied; backing files registered
    journal, state          what the next daemon must know: the open files, the handshake
    threads, notify         the two kinds of threads
    mounting, target        mount(2), fusermount3, the directory
    mount                   FuseMount, the whole
"""

from cachefs.fuse.journal import FileJournal, NoJournal, OpenJournal
from cachefs.fuse.mount import FuseMount
from cachefs.fuse.options import MountOptions
from cachefs.fuse.state import ConnectionState
from cachefs.fuse.statistics import FuseStatistics
from cachefs.fuse.target import check_target, is_mounted

__all__ = [
    "ConnectionState",
    "FileJournal",
    "FuseMount",
    "FuseStatistics",
    "MountOptions",
    "NoJournal",
    "OpenJournal",
    "check_target",
    "is_mounted",
]
