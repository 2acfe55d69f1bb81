"""Which swarms there are: those that somebody here or elsewhere has an interest in, and no others."""

from __future__ import annotations

from cachefs.sharing import Want
from cachefs.types import BlobId, BlobKey
from peer.swarm import Board
from peer.values import PeerId

KEY = BlobKey("memory://bucket/x", "1", 8 << 10, 1 << 10)
OTHER = BlobKey("memory://bucket/y", "1", 8 << 10, 1 << 10)
BLOB = KEY.blob_id
A, B = PeerId("a@1"), PeerId("b@1")


class Desk:
    """A board, and what it asked to be looked up."""

    def __init__(self) -> None:
        self.asked: list[BlobId] = []
        self.board = Board(self.asked.append)


def test_wanting_a_blob_makes_its_swarm_and_wanting_it_no_more_drops_it() -> None:
    board = Desk().board
    swarm = board.want(KEY, Want.ALL, 0b1)
    assert board.get(BLOB) is swarm
    assert (swarm.key, swarm.want, swarm.mine, swarm.chunk_count) == (KEY, Want.ALL, 0b1, 8)
    assert board.wanted() == [swarm]
    board.unwant(BLOB)
    assert board.get(BLOB) is None
    assert len(board) == 0


def test_wanting_more_of_it_is_the_same_swarm() -> None:
    board = Desk().board
    swarm = board.want(KEY, Want.PART, 0)
    assert board.want(KEY, Want.ALL, 0) is swarm
    assert swarm.want is Want.ALL


def test_it_is_kept_while_somebody_follows_it() -> None:
    board = Desk().board
    follower = board.subscribe(A)
    follower.follow(BLOB, Want.ALL)
    board.want(KEY, Want.ALL, 0b1)
    board.unwant(BLOB)
    swarm = board.get(BLOB)
    assert swarm is not None
    assert swarm.want is Want.NONE
    assert board.wanted() == []
    assert board.all() == [swarm]
    follower.unfollow(BLOB)
    assert board.get(BLOB) is None


def test_it_is_kept_while_it_is_wanted_here_whoever_leaves() -> None:
    board = Desk().board
    board.want(KEY, Want.ALL, 0)
    follower = board.subscribe(A)
    follower.follow(BLOB, Want.NONE)
    follower.close()
    assert board.get(BLOB) is not None


def test_it_is_kept_until_the_last_follower_goes() -> None:
    board = Desk().board
    one, two = board.subscribe(A), board.subscribe(B)
    one.follow(BLOB, Want.ALL)
    two.follow(BLOB, Want.ALL)
    board.found(BLOB, 8, 0b1)
    one.close()
    assert board.get(BLOB) is not None
    two.close()
    assert board.get(BLOB) is None


def test_it_is_kept_while_chunks_of_it_are_on_their_way() -> None:
    board = Desk().board
    swarm = board.want(KEY, Want.ALL, 0)
    swarm.incoming.add(3)
    board.unwant(BLOB)
    assert board.get(BLOB) is swarm
    swarm.incoming.discard(3)
    board.drop_if_idle(BLOB)
    assert board.get(BLOB) is None


def test_what_is_followed_and_not_known_is_looked_up_once_for_each_who_asks() -> None:
    desk = Desk()
    follower = desk.board.subscribe(A)
    follower.follow(BLOB, Want.PART)
    follower.follow(BLOB, Want.ALL)
    assert desk.asked == [BLOB]
    assert desk.board.get(BLOB) is None
    desk.board.found(BLOB, 8, 0b101)
    swarm = desk.board.get(BLOB)
    assert swarm is not None
    assert swarm.mine == 0b101


def test_what_is_known_is_not_looked_up() -> None:
    desk = Desk()
    desk.board.want(KEY, Want.ALL, 0)
    desk.board.subscribe(A).follow(BLOB, Want.ALL)
    assert desk.asked == []


def test_an_answer_that_nobody_waits_for_makes_no_swarm() -> None:
    desk = Desk()
    follower = desk.board.subscribe(A)
    follower.follow(BLOB, Want.ALL)
    follower.close()
    desk.board.found(BLOB, 8, 0b1)
    assert len(desk.board) == 0


def test_an_answer_that_comes_late_does_not_undo_what_landed_meanwhile() -> None:
    desk = Desk()
    desk.board.subscribe(A).follow(BLOB, Want.ALL)
    swarm = desk.board.want(KEY, Want.ALL, 0)
    desk.board.landed(BLOB, 2)
    desk.board.found(BLOB, 8, 0b1)
    assert desk.board.get(BLOB) is swarm
    assert swarm.mine == 0b100


def test_what_followers_want_survives_until_there_is_a_swarm() -> None:
    board = Desk().board
    board.subscribe(A).follow(BLOB, Want.ALL)
    board.subscribe(B).follow(BLOB, Want.PART)
    swarm = board.want(KEY, Want.ALL, 0)
    assert swarm.wanters() == [A]
    assert swarm.view(B).want is Want.PART


def test_who_unfollows_wants_nothing() -> None:
    board = Desk().board
    swarm = board.want(KEY, Want.ALL, 0)
    follower = board.subscribe(A)
    follower.follow(BLOB, Want.ALL)
    assert swarm.wanters() == [A]
    follower.unfollow(BLOB)
    assert swarm.wanters() == []


def test_the_end_of_an_old_connection_takes_nothing_from_the_new_one() -> None:
    board = Desk().board
    swarm = board.want(KEY, Want.ALL, 0)
    old, new = board.subscribe(A), board.subscribe(A)
    old.follow(BLOB, Want.ALL)
    new.follow(BLOB, Want.ALL)
    old.close()
    assert swarm.wanters() == [A]
    new.close()
    assert swarm.wanters() == []


def test_the_connection_of_who_left_may_end_later() -> None:
    board = Desk().board
    swarm = board.want(KEY, Want.ALL, 0)
    follower = board.subscribe(A)
    follower.follow(BLOB, Want.ALL)
    board.left([A])
    follower.close()
    assert swarm.peers == {}, "nothing is remembered of the dead"


def test_who_left_is_forgotten_in_every_swarm() -> None:
    board = Desk().board
    swarms = [board.want(key, Want.ALL, 0) for key in (KEY, OTHER)]
    for swarm in swarms:
        swarm.wanted_by(A, Want.ALL)
        swarm.wanted_by(B, Want.ALL)
    board.left([A])
    assert [swarm.wanters() for swarm in swarms] == [[B], [B]]


def test_what_is_gone_when_it_is_wanted_again_is_not_claimed() -> None:
    board = Desk().board
    board.subscribe(A).follow(BLOB, Want.NONE)
    board.found(BLOB, 8, 0b11)
    swarm = board.want(KEY, Want.ALL, 0b01)
    assert swarm.mine == 0b01


def test_what_came_unnoticed_is_told_when_it_is_wanted_again() -> None:
    """A chunk can land between the look-up of a blob and its answer, when there is no swarm that could take note."""
    board = Desk().board
    follower = board.subscribe(A)
    follower.follow(BLOB, Want.NONE)
    board.landed(BLOB, 1)
    board.found(BLOB, 8, 0b01)
    follower.take()
    swarm = board.want(KEY, Want.ALL, 0b11)
    assert swarm.mine == 0b11
    assert [update.have for update in follower.take()] == [0b10]


def test_what_lands_of_an_unknown_blob_concerns_nobody() -> None:
    board = Desk().board
    board.landed(BLOB, 0)
    board.reset(BLOB, 0)
    board.tell(BLOB)
    assert len(board) == 0
