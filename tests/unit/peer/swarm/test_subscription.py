"""What one follower is told: everything first, then what is new, and everything again when something was lost."""

from __future__ import annotations

from cachefs.sharing import Want
from cachefs.types import BlobKey
from peer.swarm import Board, Follower
from peer.values import HaveUpdate, PeerId

KEY = BlobKey("memory://bucket/x", "1", 8 << 10, 1 << 10)
OTHER = BlobKey("memory://bucket/y", "1", 4 << 10, 1 << 10)
BLOB = KEY.blob_id


def following(board: Board, *keys: BlobKey) -> Follower:
    follower = board.subscribe(PeerId("a@1"))
    for key in keys:
        follower.follow(key.blob_id, Want.ALL)
    return follower


def board_with(have: int) -> Board:
    board = Board(lambda _: None)
    board.want(KEY, Want.ALL, have)
    return board


def news(follower: Follower) -> list[tuple[bool, int]]:
    return [(update.whole, update.have) for update in follower.take()]


def test_first_everything_then_what_landed_since() -> None:
    board = board_with(0b11)
    follower = following(board, KEY)
    assert follower.changed.is_set()
    (first,) = follower.take()
    assert first == HaveUpdate(blob=BLOB, chunk_count=8, whole=True, have=0b11, fetching=0, want=Want.ALL)
    board.landed(BLOB, 4)
    board.landed(BLOB, 2)
    assert news(follower) == [(False, 0b10100)]
    board.landed(BLOB, 5)
    assert news(follower) == [(False, 0b100000)]


def test_nothing_new_is_not_told() -> None:
    board = board_with(0b11)
    follower = following(board, KEY)
    follower.take()
    follower.changed.clear()
    board.landed(BLOB, 1)
    assert follower.take() == []
    assert not follower.changed.is_set()


def test_many_changes_are_one_update() -> None:
    board = board_with(0)
    follower = following(board, KEY)
    follower.take()
    for chunk in range(8):
        board.landed(BLOB, chunk)
    assert news(follower) == [(False, 0xFF)]


def test_each_follower_is_told_from_where_it_was() -> None:
    board = board_with(0)
    early = following(board, KEY)
    early.take()
    board.landed(BLOB, 0)
    late = following(board, KEY)
    assert news(late) == [(True, 0b1)]
    board.landed(BLOB, 1)
    assert news(early) == [(False, 0b11)]
    assert news(late) == [(False, 0b10)]


def test_after_a_loss_everything_is_told_again() -> None:
    board = board_with(0b1111)
    follower = following(board, KEY)
    follower.take()
    board.landed(BLOB, 5)
    board.reset(BLOB, 0b0001)
    assert news(follower) == [(True, 0b0001)]
    board.landed(BLOB, 3)
    assert news(follower) == [(False, 0b1000)]


def test_what_this_node_fetches_and_wants_is_told_with_it() -> None:
    board = board_with(0)
    follower = following(board, KEY)
    follower.take()
    swarm = board.get(BLOB)
    assert swarm
    swarm.fetching.update({1: 0.0, 2: 0.0})
    board.tell(BLOB)
    (update,) = follower.take()
    assert (update.have, update.fetching, update.want) == (0, 0b110, Want.ALL)
    board.want(KEY, Want.PART, 0)
    (update,) = follower.take()
    assert update.want is Want.PART


def test_a_blob_that_is_not_here_is_said_to_have_no_chunks() -> None:
    board = Board(lambda _: None)
    follower = following(board, KEY)
    assert follower.take() == [], "it is being looked up"
    board.found(BLOB, 0, 0)
    (update,) = follower.take()
    assert update == HaveUpdate(blob=BLOB, chunk_count=0, whole=True, have=0, fetching=0, want=Want.NONE)


def test_once_it_is_known_everything_is_told() -> None:
    board = Board(lambda _: None)
    follower = following(board, KEY)
    board.found(BLOB, 0, 0)
    follower.take()
    board.want(KEY, Want.ALL, 0b10)
    assert news(follower) == [(True, 0b10)]


def test_what_is_found_is_told_as_a_whole() -> None:
    board = Board(lambda _: None)
    follower = following(board, KEY)
    board.found(BLOB, 8, 0b101)
    (update,) = follower.take()
    assert (update.chunk_count, update.whole, update.have, update.want) == (8, True, 0b101, Want.NONE)


def test_blobs_do_not_mix() -> None:
    board = board_with(0b1)
    board.want(OTHER, Want.PART, 0b1000)
    follower = following(board, KEY, OTHER)
    assert follower.blobs == {BLOB, OTHER.blob_id}
    assert {update.blob: update.have for update in follower.take()} == {BLOB: 0b1, OTHER.blob_id: 0b1000}
    board.landed(OTHER.blob_id, 0)
    (update,) = follower.take()
    assert (update.blob, update.have) == (OTHER.blob_id, 0b1)


def test_following_again_only_changes_what_is_wanted() -> None:
    board = board_with(0b1)
    follower = following(board, KEY)
    follower.take()
    follower.follow(BLOB, Want.PART)
    assert follower.take() == []
    swarm = board.get(BLOB)
    assert swarm
    assert swarm.view(follower.peer).want is Want.PART


def test_who_unfollowed_is_told_nothing_and_may_begin_again() -> None:
    board = board_with(0b1)
    follower = following(board, KEY)
    board.landed(BLOB, 1)
    follower.unfollow(BLOB)
    follower.unfollow(BLOB)
    board.landed(BLOB, 2)
    assert follower.take() == []
    follower.follow(BLOB, Want.ALL)
    assert news(follower) == [(True, 0b111)]


def test_closing_unfollows_everything() -> None:
    board = board_with(0b1)
    board.want(OTHER, Want.PART, 0)
    follower = following(board, KEY, OTHER)
    follower.close()
    assert follower.blobs == frozenset()
    for key in (KEY, OTHER):
        board.unwant(key.blob_id)
    assert len(board) == 0, "nobody keeps the swarms"
