"""Origin duty: nodes agree without asking, and what they ask for stays within their part, whatever they know."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cachefs import bitset
from cachefs.types import BlobId
from peer.policy.duty import SMALL_SWARM, Duty, DutyTable, OriginView, duty, origin_now, quota, scores
from peer.policy.zones import ZoneView, importers
from peer.values import PeerId

CHUNKS = 200
ALL = bitset.span(0, CHUNKS)
BLOB = BlobId("c" * 32)

peers = st.text("abcd@", min_size=1, max_size=6).map(PeerId)
swarms = st.lists(peers, min_size=1, max_size=12, unique=True)
chunk_sets = st.integers(0, ALL)


def ranked(nodes: list[PeerId], chunk: int) -> list[PeerId]:
    """The definition: by score, then by name, the highest first."""
    return sorted(nodes, key=lambda node: (scores(node, BLOB, chunk + 1)[chunk], node), reverse=True)


@given(swarms, st.integers(0, CHUNKS - 1))
def test_first_and_second_are_those_of_the_highest_scores(nodes: list[PeerId], chunk: int) -> None:
    duties = {node: duty(node, nodes, BLOB, CHUNKS) for node in nodes}
    first = [node for node in nodes if duties[node].first >> chunk & 1]
    second = [node for node in nodes if duties[node].second >> chunk & 1]
    assert first + second == ranked(nodes, chunk)[:2]


@given(swarms, st.randoms(use_true_random=False))
def test_the_order_of_the_members_does_not_matter(nodes: list[PeerId], rng: object) -> None:
    assert duty(nodes[0], nodes, BLOB, CHUNKS) == duty(nodes[0], sorted(nodes), BLOB, CHUNKS)


@given(swarms.filter(lambda nodes: len(nodes) > 1))
def test_a_node_that_leaves_moves_only_its_chunks_each_to_its_second(nodes: list[PeerId]) -> None:
    gone, *rest = nodes
    lost = duty(gone, nodes, BLOB, CHUNKS).first
    for node in rest:
        before, after = duty(node, nodes, BLOB, CHUNKS), duty(node, rest, BLOB, CHUNKS)
        assert after.first == before.first | before.second & lost


@given(swarms, st.lists(st.lists(peers, max_size=12, unique=True), max_size=4))
def test_a_table_answers_as_if_it_were_new(nodes: list[PeerId], changes: list[list[PeerId]]) -> None:
    me = nodes[0]
    table = DutyTable(me, BLOB, CHUNKS)
    for others in ([], *changes, nodes):
        assert table.duty([me, *others]) == duty(me, [me, *others], BLOB, CHUNKS)
        among = list(dict.fromkeys([me, *others]))
        assert all(table.rank(chunk) == ranked(among, chunk).index(me) for chunk in range(0, CHUNKS, 50))


views = st.builds(
    lambda first, second, **rest: OriginView(duty=Duty(first=first, second=second & ~first), **rest),
    first=chunk_sets,
    second=chunk_sets,
    missing=chunk_sets,
    held=chunk_sets,
    fetching=chunk_sets,
    late=chunk_sets,
    urgent=chunk_sets,
    running=st.integers(0, 70),
    nodes=st.integers(1, 100),
    relief=st.booleans(),
    swarm_missing=chunk_sets,
    overdue=chunk_sets,
    waiting=chunk_sets,
)


@given(views)
def test_only_what_is_missing_and_only_as_much_as_the_quota_leaves(view: OriginView) -> None:
    asked = origin_now(view)
    assert asked & ~view.missing == 0
    if view.nodes > 1:
        assert asked.bit_count() <= max(0, quota(view.nodes) - view.running)


@given(views.filter(lambda view: view.nodes > 1))
def test_what_another_gets_or_has_is_asked_for_only_in_relief(view: OriginView) -> None:
    asked = origin_now(view)
    assert asked & view.fetching == 0
    assert view.relief or asked & view.held == 0


@given(views.filter(lambda view: view.nodes > 1 and not view.relief))
def test_nobody_takes_more_than_its_part(view: OriginView) -> None:
    """First; second where late, or, in a small swarm, where it waited; anything only where it is overdue."""
    stepping_in = view.late | (view.waiting if view.nodes <= SMALL_SWARM else 0)
    assert origin_now(view) & ~(view.duty.first | view.duty.second & stepping_in | view.overdue) == 0


@given(views.filter(lambda view: view.nodes > 1))
def test_a_free_quota_is_not_left_unused_while_a_reader_waits(view: OriginView) -> None:
    waited_for = view.missing & view.urgent & view.duty.first & ~view.held & ~view.fetching
    if waited_for and view.running < quota(view.nodes):
        assert origin_now(view) & view.urgent


@given(swarms, chunk_sets, chunk_sets)
def test_each_chunk_has_one_importer_in_a_zone(nodes: list[PeerId], held: int, coming: int) -> None:
    imported = [
        importers(ZoneView(missing=ALL, held=held, coming=coming, late=0, duty=duty(node, nodes, BLOB, CHUNKS)))
        for node in nodes
    ]
    assert sum(imported) == ALL & ~held & ~coming
    assert sum(chunks.bit_count() for chunks in imported) == sum(imported).bit_count()
