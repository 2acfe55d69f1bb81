"""Messages of the peer service: what is written is read again, and nothing that comes in raises anything unforeseen."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest
from google.protobuf.message import Message
from hypothesis import example, given
from hypothesis import strategies as st

from cachefs.errors import PeerMismatch, PeerProtocolError
from cachefs.sharing import Want
from cachefs.types import BlobId
from peer import peer_pb2 as pb
from peer.membership.prober import HelloReply
from peer.rpc import convert, messages
from peer.values import HaveUpdate, Identity, PeerId

printable = st.characters(exclude_categories=("C", "Z"))
texts = st.text(printable, max_size=convert.MAX_TEXT)
boots = st.from_regex(r"[0-9a-f]{16}", fullmatch=True)
ports = st.integers(1, convert.MAX_PORT)
hosts = st.from_regex(r"[0-9A-Za-z_.-]{1,100}", fullmatch=True) | st.ip_addresses(v=6).map(lambda ip: f"[{ip}]")
identities = st.builds(
    Identity,
    node_id=st.text(printable, min_size=1, max_size=200),
    boot_id=boots,
    address=st.builds("{}:{}".format, hosts, ports),
    lane_port=st.integers(0, convert.MAX_PORT),
    zone=texts,
    chunk_bytes=st.integers(1, convert.MAX_CHUNK_BYTES),
    version=texts,
)
peers = identities.map(lambda identity: identity.peer_id)
blobs = st.binary(min_size=16, max_size=16).map(lambda data: BlobId(data.hex()))
wants = st.sampled_from(Want)


def chunk_sets(chunk_count: int) -> st.SearchStrategy[int]:
    return st.integers(0, (1 << chunk_count) - 1) | st.sets(st.integers(0, max(0, chunk_count - 1)), max_size=5).map(
        lambda chunks: sum(1 << chunk for chunk in chunks) if chunk_count else 0
    )


def updates_of(chunk_count: int) -> st.SearchStrategy[HaveUpdate]:
    return st.builds(
        HaveUpdate,
        blob=blobs,
        chunk_count=st.just(chunk_count),
        whole=st.booleans(),
        have=chunk_sets(chunk_count),
        fetching=chunk_sets(chunk_count),
        want=wants,
    )


updates = st.integers(0, 5000).flatmap(updates_of)
digests = st.binary(min_size=16, max_size=16)

DECODERS: dict[str, tuple[Callable[[bytes], object], type[Message]]] = {
    "hello": (messages.decode_hello, pb.HelloRequest),
    "hello_reply": (messages.decode_hello_reply, pb.HelloReply),
    "follows": (messages.Follows.decode, pb.FollowRequest),
    "batch": (messages.Batch.decode, pb.HaveBatch),
    "locate": (messages.Locate.decode, pb.LocateRequest),
    "located": (messages.Located.decode, pb.LocateReply),
    "fetch": (messages.Fetch.decode, pb.FetchRequest),
    "head": (messages.decode_head, pb.FetchReply),
    "piece": (messages.decode_piece, pb.FetchReply),
    "holds": (messages.decode_holds, pb.HoldsRequest),
    "holds_reply": (messages.decode_holds_reply, pb.HoldsReply),
    "open_lane": (messages.decode_open_lane, pb.OpenLaneRequest),
    "ticket": (messages.decode_ticket, pb.Ticket),
}


class TestRoundTrip:
    @given(identities)
    def test_hello(self, mine: Identity) -> None:
        assert messages.decode_hello(messages.encode_hello(mine)) == mine

    @given(identities, texts)
    def test_hello_reply(self, mine: Identity, reason: str) -> None:
        reply = HelloReply(mine, reason)
        assert messages.decode_hello_reply(messages.encode_hello_reply(reply)) == reply

    @given(
        st.builds(
            messages.Follows,
            identity=st.none() | identities,
            follow=st.lists(st.tuples(blobs, wants)).map(tuple),
            unfollow=st.lists(blobs).map(tuple),
        )
    )
    def test_follows(self, follows: messages.Follows) -> None:
        assert messages.Follows.decode(follows.encode()) == follows

    @given(st.none() | peers, st.lists(updates, max_size=5))
    def test_batch(self, peer: PeerId | None, told: list[HaveUpdate]) -> None:
        (data,) = messages.encode_batches(peer, told)
        assert messages.Batch.decode(data) == messages.Batch(peer, tuple(told))

    @given(st.builds(messages.Locate, blobs, st.integers(0, 5000).flatmap(chunk_sets), st.booleans()))
    def test_locate(self, asked: messages.Locate) -> None:
        assert messages.Locate.decode(asked.encode()) == asked

    @given(st.builds(messages.Located, chunk_sets(3000), chunk_sets(3000)))
    def test_located(self, answer: messages.Located) -> None:
        assert messages.Located.decode(answer.encode()) == answer

    @given(st.lists(blobs))
    def test_holds(self, asked: list[BlobId]) -> None:
        assert messages.decode_holds(messages.encode_holds(asked)) == asked
        assert messages.decode_holds_reply(messages.encode_holds_reply(asked)) == asked

    def test_more_blobs_than_one_question_may_name(self) -> None:
        too_many = [BlobId("00" * 16)] * (messages.MOST_HELD + 1)
        with pytest.raises(PeerProtocolError, match="4097 ids, and 4096 are allowed"):
            messages.decode_holds(messages.encode_holds(too_many))

    @given(st.builds(messages.Fetch, blobs, st.integers(0, (1 << 32) - 1), peers))
    def test_fetch(self, wanted: messages.Fetch) -> None:
        assert messages.Fetch.decode(wanted.encode()) == wanted

    @given(st.builds(messages.Head, digests, st.integers(0, 1 << 40)))
    def test_head(self, head: messages.Head) -> None:
        assert messages.decode_head(head.encode()) == head

    @given(st.binary(min_size=1))
    def test_piece(self, piece: bytes) -> None:
        assert messages.decode_piece(messages.encode_piece(piece)) == piece

    @given(peers)
    def test_open_lane(self, caller: PeerId) -> None:
        assert messages.decode_open_lane(messages.encode_open_lane(caller)) == caller

    @given(st.binary(min_size=1, max_size=64), ports, st.floats(0, 1e6))
    def test_ticket(self, ticket: bytes, port: int, seconds: float) -> None:
        assert messages.decode_ticket(messages.encode_ticket(ticket, port, seconds)) == ticket


def tolerated(decode: Callable[[bytes], object], data: bytes) -> None:
    """It is understood, or refused in one of the two ways."""
    with contextlib.suppress(PeerProtocolError, PeerMismatch):
        decode(data)


@pytest.mark.parametrize("name", DECODERS)
class TestAnything:
    @given(data=st.binary(max_size=300))
    @example(data=b"")
    @example(data=b"\x0b" * 200)  # groups in groups
    @example(data=b"\x0a" * 200)
    def test_bytes(self, name: str, data: bytes) -> None:
        tolerated(DECODERS[name][0], data)

    @given(data=st.data())
    def test_fields(self, name: str, data: st.DataObject) -> None:
        decode, kind = DECODERS[name]
        tolerated(decode, data.draw(arbitrary(kind.DESCRIPTOR.full_name)).SerializeToString())


def numbers(bits: int) -> st.SearchStrategy[int]:
    return st.integers(0, 9) | st.integers(0, (1 << bits) - 1)


valid_or_not = st.text(max_size=30) | texts | boots | peers | identities.map(lambda identity: identity.address)
ids_or_not = st.binary(max_size=40) | digests
chunks = st.builds(pb.Chunks, bitmap=st.just(b"") | st.binary(max_size=40), numbers=st.lists(numbers(32), max_size=9))
some_identities = st.builds(
    pb.Identity,
    node_id=valid_or_not,
    boot_id=valid_or_not,
    address=valid_or_not,
    lane_port=numbers(32),
    zone=valid_or_not,
    chunk_bytes=numbers(64),
    protocol=st.just(1) | numbers(32),
    version=valid_or_not,
)
some_wants = st.sampled_from(["WANT_NONE", "WANT_PART", "WANT_ALL"])
some_updates = st.builds(
    pb.HaveUpdate,
    blob=ids_or_not,
    chunk_count=st.integers(0, 300) | numbers(32),
    whole=st.booleans(),
    have=chunks,
    fetching=chunks,
    want=some_wants | st.integers(0, 5),
)

_ARBITRARY: dict[str, st.SearchStrategy[Message]] = {
    "HelloRequest": st.builds(pb.HelloRequest, identity=some_identities),
    "HelloReply": st.builds(pb.HelloReply, identity=some_identities, cannot_reach_you=valid_or_not),
    "FollowRequest": st.builds(
        pb.FollowRequest,
        identity=st.none() | some_identities,
        follow=st.lists(st.builds(pb.Follow, blob=ids_or_not, want=some_wants | st.integers(0, 5)), max_size=4),
        unfollow=st.lists(ids_or_not, max_size=4),
    ),
    "HaveBatch": st.builds(pb.HaveBatch, peer=valid_or_not, updates=st.lists(some_updates, max_size=3)),
    "LocateRequest": st.builds(pb.LocateRequest, blob=ids_or_not, chunks=chunks, urgent=st.booleans()),
    "LocateReply": st.builds(pb.LocateReply, have=chunks, fetching=chunks),
    "FetchRequest": st.builds(pb.FetchRequest, blob=ids_or_not, chunk=numbers(32), caller=valid_or_not),
    "FetchReply": st.builds(pb.FetchReply, data=st.binary())
    | st.builds(pb.FetchReply, head=st.builds(pb.FetchHead, digest=ids_or_not, size=numbers(64))),
    "HoldsRequest": st.builds(pb.HoldsRequest, blobs=st.lists(ids_or_not, max_size=4)),
    "HoldsReply": st.builds(pb.HoldsReply, blobs=st.lists(ids_or_not, max_size=4)),
    "OpenLaneRequest": st.builds(pb.OpenLaneRequest, caller=valid_or_not),
    "Ticket": st.builds(pb.Ticket, ticket=st.binary(max_size=300), port=numbers(32), expires_seconds=st.floats()),
}


def arbitrary(full_name: str) -> st.SearchStrategy[Message]:
    """Messages of a kind, with fields that mean something or do not."""
    return _ARBITRARY[full_name.rpartition(".")[2]]


class TestShorter:
    @given(chunk_sets(20_000))
    def test_a_set_takes_no_more_than_its_bitmap(self, chunks: int) -> None:
        bitmap_bytes = (chunks.bit_length() + 7) // 8
        assert convert.chunks_to_message(chunks).ByteSize() <= bitmap_bytes + 4

    def test_one_late_chunk_is_a_few_bytes(self) -> None:
        assert convert.chunks_to_message(1 << 19_999).ByteSize() <= 6

    @given(st.lists(updates_of(4000), min_size=1, max_size=40))
    def test_batches_are_cut(self, told: list[HaveUpdate]) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(messages, "BATCH_BYTES", 2000)
            batches = [messages.Batch.decode(data) for data in messages.encode_batches(PeerId("n@" + "0" * 16), told)]
        assert [update for batch in batches for update in batch.updates] == told
        assert [batch.peer is not None for batch in batches] == [True] + [False] * (len(batches) - 1)
        assert all(batch.updates for batch in batches)


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        (pb.HaveUpdate(blob=b"short"), "HaveUpdate.blob has 5 bytes instead of 16"),
        (pb.HaveUpdate(blob=bytes(16), chunk_count=convert.MAX_CHUNKS + 1), "HaveUpdate.chunk_count: 4194305"),
        (pb.HaveUpdate(blob=bytes(16), chunk_count=9, have=pb.Chunks(bitmap=b"\0\2")), "HaveUpdate.have: chunk 9 of 9"),
        (pb.HaveUpdate(blob=bytes(16), chunk_count=8, have=pb.Chunks(bitmap=b"\0\0")), "bitmap of 2 bytes is too long"),
        (pb.HaveUpdate(blob=bytes(16), fetching=pb.Chunks(bitmap=b"\1")), "HaveUpdate.fetching: a bitmap of 1 bytes"),
        (pb.HaveUpdate(blob=bytes(16), chunk_count=8, have=pb.Chunks(numbers=[8])), "HaveUpdate.have: chunk 8 of 8"),
        (pb.HaveUpdate(blob=bytes(16), chunk_count=8, have=pb.Chunks(numbers=[1, 2])), "more numbers than a bitmap"),
        (
            pb.HaveUpdate(blob=bytes(16), chunk_count=8, have=pb.Chunks(numbers=[1], bitmap=b"\1")),
            "both a bitmap and numbers",
        ),
    ],
)
def test_what_is_wrong_is_named(message: pb.HaveUpdate, complaint: str) -> None:
    with pytest.raises(PeerProtocolError, match=complaint):
        convert.update_of(message)


def test_a_blob_of_too_many_chunks_is_not_told() -> None:
    update = HaveUpdate(
        blob=BlobId("ab" * 16), chunk_count=convert.MAX_CHUNKS + 1, whole=True, have=0, fetching=0, want=Want.ALL
    )
    with pytest.raises(ValueError, match="4194305 chunks; 4194304 is the most"):
        list(messages.encode_batches(None, [update]))


def test_another_version_comes_before_any_other_doubt() -> None:
    later = pb.HelloRequest(identity=pb.Identity(node_id="node-c", protocol=2, boot_id="another format"))
    with pytest.raises(PeerMismatch, match="node 'node-c' speaks protocol version 2, and the other side 1"):
        messages.decode_hello(later.SerializeToString())
