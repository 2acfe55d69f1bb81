"""The frames of the bulk lane: what is encoded is parsed back, and nothing else is believed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachefs.errors import PeerProtocolError
from cachefs.types import BlobId
from peer.lane import frames
from peer.lane.frames import Answer, Request, Status
from peer.lane.tickets import TICKET_BYTES

TICKETS = st.binary(min_size=TICKET_BYTES, max_size=TICKET_BYTES)
SIZES = st.integers(1, frames.MAX_CHUNK_BYTES)
REQUESTS = st.builds(
    Request,
    st.binary(min_size=16, max_size=16).map(lambda blob: BlobId(blob.hex())),
    st.integers(0, (1 << 32) - 1),
    SIZES,
)
CHUNKS = st.builds(Answer, st.just(Status.OK), SIZES, st.binary(min_size=16, max_size=16))
ANSWERS = CHUNKS | st.sampled_from([Answer(Status.BUSY), Answer(Status.LACKS)])

PARSERS = st.sampled_from([frames.parse_opening, frames.parse_request, frames.parse_answer])
VALID = st.one_of(
    TICKETS.map(frames.encode_opening), REQUESTS.map(frames.encode_request), ANSWERS.map(frames.encode_answer)
)


def parses(parse: Callable[[bytes], object], frame: bytes) -> bool:
    """Whether it is a frame; any other error than PeerProtocolError fails the test."""
    try:
        parse(frame)
    except PeerProtocolError:
        return False
    return True


@given(TICKETS)
def test_openings_come_back(ticket: bytes) -> None:
    frame = frames.encode_opening(ticket)
    assert len(frame) == frames.OPENING_BYTES
    assert frames.parse_opening(frame) == ticket


@given(REQUESTS)
def test_requests_come_back(request: Request) -> None:
    frame = frames.encode_request(request)
    assert len(frame) == frames.REQUEST_BYTES
    assert frames.parse_request(frame) == request


@given(ANSWERS)
def test_answers_come_back(answer: Answer) -> None:
    frame = frames.encode_answer(answer)
    assert len(frame) == frames.ANSWER_BYTES
    assert frames.parse_answer(frame) == answer


@given(PARSERS, st.binary(max_size=80))
def test_random_bytes_are_no_frame(parse: Callable[[bytes], object], data: bytes) -> None:
    assert not parses(parse, data)


@given(VALID, st.data())
def test_a_changed_frame_is_refused_or_says_something_within_bounds(frame: bytes, data: st.DataObject) -> None:
    changed = bytearray(frame)
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    if parses(frames.parse_request, bytes(changed)):
        request = frames.parse_request(bytes(changed))
        assert 0 < request.size_bytes <= frames.MAX_CHUNK_BYTES
        assert len(request.blob) == 32
    if parses(frames.parse_answer, bytes(changed)):
        answer = frames.parse_answer(bytes(changed))
        assert (0 < answer.size_bytes <= frames.MAX_CHUNK_BYTES) == (answer.status is Status.OK)
    parses(frames.parse_opening, bytes(changed))


@given(VALID, PARSERS, st.integers(0, 60))
def test_a_frame_cut_short_or_too_long_is_none(frame: bytes, parse: Callable[[bytes], object], length: int) -> None:
    other = (frame + bytes(60))[:length]
    if len(other) != len(frame):
        assert not parses(parse, other)


@given(VALID)
def test_no_frame_is_taken_for_another(frame: bytes) -> None:
    parsers = (frames.parse_opening, frames.parse_request, frames.parse_answer)
    assert sum(parses(parse, frame) for parse in parsers) == 1


@given(TICKETS, st.integers(0, 0xFFFF).filter(lambda version: version != frames.LANE_VERSION))
def test_another_version_is_named(ticket: bytes, version: int) -> None:
    frame = bytearray(frames.encode_opening(ticket))
    frame[8:10] = version.to_bytes(2, "big")
    with pytest.raises(PeerProtocolError, match=f"version {version} .* ours is {frames.LANE_VERSION}"):
        frames.parse_opening(bytes(frame))


@given(st.binary(max_size=40).filter(lambda ticket: len(ticket) != TICKET_BYTES))
def test_a_ticket_of_another_length_is_not_sent(ticket: bytes) -> None:
    with pytest.raises(PeerProtocolError):
        frames.encode_opening(ticket)
