"""A directory can be read in pieces of any size."""

from __future__ import annotations

import stat

from hypothesis import given
from hypothesis import strategies as st

from cachefs.fuse import abi
from cachefs.fuse.listing import UNKNOWN_INO, Listing
from cachefs.ports import Attributes, DirectoryEntry
from cachefs.types import ROOT_INO, Ino

NAMES = st.lists(
    st.binary(min_size=1, max_size=40).filter(lambda name: not {0, ord("/")} & set(name) and name not in {b".", b".."}),
    max_size=30,
)


def entries_of(names: list[bytes]) -> list[DirectoryEntry]:
    return [
        DirectoryEntry(name, Attributes(Ino(index + 2), index % 3 == 0, 10 * index, index))
        for index, name in enumerate(names)
    ]


def rows_of(data: bytes, prefix_bytes: int) -> list[tuple[bytes, int, int, int, bytes]]:
    """(prefix, ino, next offset, type, name) of each row, as the kernel takes them apart."""
    rows, at = [], 0
    while at < len(data):
        prefix = data[at : at + prefix_bytes]
        at += prefix_bytes
        ino, offset, length, kind = abi.DIRENT.unpack_from(data, at)
        start = at + abi.DIRENT.size
        rows.append((prefix, ino, offset, kind, data[start : start + length]))
        at = start + -(-length // 8) * 8
    assert at == len(data)
    return rows


@given(NAMES, st.integers(64, 500))
def test_reading_in_pieces_gives_every_row_once(names: list[bytes], room: int) -> None:
    listing = Listing(Ino(50), entries_of(names))
    seen: list[tuple[bytes, int, int, int, bytes]] = []
    while piece := listing.plain(seen[-1][2] if seen else 0, room):
        assert len(piece) <= room
        seen += rows_of(piece, 0)
    assert [name for *_, name in seen] == [b".", b"..", *names]
    assert [ino for _, ino, *_ in seen[:2]] == [50, UNKNOWN_INO]
    assert [kind << 12 for _, _, _, kind, _ in seen[2:]] == [
        stat.S_IFDIR if index % 3 == 0 else stat.S_IFREG for index in range(len(names))
    ]


@given(NAMES)
def test_plus_looks_up_all_but_the_dots(names: list[bytes]) -> None:
    rows = rows_of(Listing(ROOT_INO, entries_of(names)).plus(0, 1 << 20, 1.0, 2.0), abi.ENTRY.size + abi.ATTR.size)
    nodes = [abi.ENTRY.unpack_from(prefix)[0] for prefix, *_ in rows]
    assert nodes == [0, 0, *range(2, len(names) + 2)]
    assert rows[1][1] == ROOT_INO


def test_nothing_fits_into_no_room_and_nothing_is_left_past_the_end() -> None:
    listing = Listing(Ino(3), entries_of([b"a"]))
    assert listing.plain(0, 16) == b""
    assert listing.plain(3, 4096) == b""
    assert listing.plain(99, 4096) == b""
