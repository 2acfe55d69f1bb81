"""One importer for each zone and chunk: DESIGN section 9, rule 8."""

from __future__ import annotations

from dataclasses import replace

from cachefs import bitset
from cachefs.types import BlobId
from peer.policy.duty import Duty, duty
from peer.policy.zones import ZoneView, importers
from peer.values import PeerId

ALL = bitset.span(0, 100)
EVEN = bitset.of(range(0, 100, 2))
VIEW = ZoneView(missing=ALL, held=0, coming=0, late=0, duty=Duty(first=EVEN, second=ALL ^ EVEN))


def test_a_node_imports_the_chunks_it_owns_in_its_zone() -> None:
    assert importers(VIEW) == EVEN


def test_what_the_zone_holds_or_gets_is_not_imported() -> None:
    assert importers(replace(VIEW, held=bitset.span(0, 50), coming=bitset.span(50, 90))) == EVEN & bitset.span(90, 100)


def test_the_second_ranked_imports_what_is_late() -> None:
    late = bitset.of([1, 2, 3])
    assert importers(replace(VIEW, late=late)) == EVEN | late
    assert importers(replace(VIEW, late=late, duty=Duty(first=0, second=0))) == 0


def test_what_the_second_ranked_does_not_import_either_is_anybodys() -> None:
    assert importers(replace(VIEW, overdue=bitset.of([1]), duty=Duty(first=0, second=0))) == bitset.of([1])


def test_the_only_member_of_a_zone_imports_everything() -> None:
    me = PeerId("a@1")
    assert importers(replace(VIEW, duty=duty(me, [me], BlobId("b"), 100))) == ALL


def test_the_origin_owner_of_a_chunk_is_its_zones_importer_too() -> None:
    """It has the chunk from the origin: its zone imports nothing of what its members fetched themselves."""
    zone = [PeerId(f"z1-{number}@1") for number in range(4)]
    others = [PeerId(f"z2-{number}@1") for number in range(4)]
    for me in zone:
        everywhere, here = (duty(me, nodes, BlobId("b"), 100) for nodes in (zone + others, zone))
        assert everywhere.first & ~here.first == 0
