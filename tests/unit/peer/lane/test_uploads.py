"""Budgets of what is given to others."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from peer.lane.uploads import SLICE_BYTES, Uploads, has_room
from peer.settings import PeerLimits
from peer.values import PeerId

ALICE, BOB = PeerId("alice@1"), PeerId("bob@1")


def begin(uploads: Uploads, nbytes: int, peer: PeerId = ALICE) -> None:
    assert uploads.try_begin(peer, nbytes) is not None


def test_slots_are_limited() -> None:
    uploads = Uploads(PeerLimits(uploads=2))
    begin(uploads, 1)
    second = uploads.try_begin(BOB, 1)
    assert second is not None
    assert uploads.try_begin(ALICE, 1) is None
    assert (uploads.running, uploads.busy_given) == (2, 1)
    second.end()
    begin(uploads, 1)
    assert uploads.busy_given == 1


def test_bytes_in_flight_are_limited() -> None:
    uploads = Uploads(PeerLimits(bytes_in_flight=100))
    begin(uploads, 60)
    assert uploads.try_begin(ALICE, 41) is None
    begin(uploads, 40)
    assert uploads.bytes_in_flight == 100


def test_a_chunk_larger_than_the_whole_budget_goes_alone() -> None:
    uploads = Uploads(PeerLimits(bytes_in_flight=100))
    large = uploads.try_begin(ALICE, 1000)
    assert large is not None
    assert uploads.try_begin(BOB, 1) is None
    large.end()
    begin(uploads, 1)
    assert uploads.try_begin(ALICE, 1000) is None


def test_no_slots_means_nobody_gets_anything() -> None:
    assert not has_room(PeerLimits(uploads=0), running=0, bytes_in_flight=0, nbytes=1)


def test_what_was_sent_is_no_longer_in_flight() -> None:
    uploads = Uploads(PeerLimits(bytes_in_flight=100))
    upload = uploads.try_begin(ALICE, 100)
    assert upload is not None
    upload.sent(70)
    assert uploads.bytes_in_flight == 30
    begin(uploads, 70, BOB)
    upload.end()
    assert uploads.bytes_in_flight == 70
    assert uploads.sent_bytes == {ALICE: 70}


def test_end_is_idempotent_and_the_context_ends() -> None:
    uploads = Uploads(PeerLimits())
    upload = uploads.try_begin(ALICE, 10)
    assert upload is not None
    with upload:
        begin(uploads, 5, BOB)
        upload.end()
        upload.end()
    assert (uploads.running, uploads.bytes_in_flight) == (1, 5)


def test_sending_more_than_promised_does_not_free_what_others_promised() -> None:
    uploads = Uploads(PeerLimits())
    begin(uploads, 100, BOB)
    upload = uploads.try_begin(ALICE, 10)
    assert upload is not None
    upload.sent(30)
    upload.end()
    assert uploads.bytes_in_flight == 100
    assert uploads.sent_bytes == {ALICE: 30}


def test_a_peer_that_left_is_forgotten() -> None:
    uploads = Uploads(PeerLimits())
    upload = uploads.try_begin(ALICE, 10)
    assert upload is not None
    upload.sent(10)
    uploads.forget(ALICE)
    uploads.forget(BOB)
    assert uploads.sent_bytes == {}


def test_without_a_limit_nothing_is_sliced_and_nobody_waits() -> None:
    waits: list[float] = []
    uploads = Uploads(PeerLimits(), sleep=waits.append)
    upload = uploads.try_begin(ALICE, 1 << 30)
    assert upload is not None
    assert upload.pace(1 << 30) == 0
    assert uploads.slice_bytes is None
    assert waits == []


def test_the_uplink_limit_is_shared_by_all_uploads() -> None:
    waits: list[float] = []
    uploads = Uploads(PeerLimits(uplink_bytes_per_second=SLICE_BYTES), clock=lambda: 7.0, sleep=waits.append)
    first, second = uploads.try_begin(ALICE, 1 << 20), uploads.try_begin(BOB, 1 << 20)
    assert first is not None
    assert second is not None
    assert uploads.slice_bytes == SLICE_BYTES
    assert [upload.pace(SLICE_BYTES) for upload in (first, second, first)] == [0.0, 1.0, 2.0]
    assert waits == [1.0, 2.0]


def test_close_lets_those_go_that_were_held_back() -> None:
    uploads = Uploads(PeerLimits(uplink_bytes_per_second=1))
    upload = uploads.try_begin(ALICE, 1 << 30)
    assert upload is not None
    upload.pace(SLICE_BYTES)
    with ThreadPoolExecutor(1) as pool:
        held_back = pool.submit(upload.pace, SLICE_BYTES)  # for 262,144 s
        uploads.close()
        held_back.result()
    assert uploads.try_begin(BOB, 1) is None


def test_counts_hold_with_many_threads() -> None:
    uploads = Uploads(PeerLimits(uploads=4, bytes_in_flight=40))

    def work(number: int) -> int:
        done = 0
        for _ in range(300):
            if upload := uploads.try_begin(PeerId(str(number)), 10):
                with upload:
                    assert uploads.running <= 4
                    assert uploads.bytes_in_flight <= 40
                    upload.sent(10)
                    done += 1
        return done

    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(work, range(8)))
    assert (uploads.running, uploads.bytes_in_flight) == (0, 0)
    assert sum(done) + uploads.busy_given == 8 * 300
    assert uploads.sent_bytes == {PeerId(str(n)): 10 * count for n, count in enumerate(done) if count}
