"""How many instances the reference controller wants of what: while it scales, and while it rolls."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.controller.controller import Instance, Service, plan

STEPS = 200


def service(count: int = 2, source: str = "oss://b/v1/", name: str = "chat") -> Service:
    storage = [{"mount_path": "/mnt/model/", "oss": {"path": source}}]
    return Service.of({"name": name, "instances": count, "storage": storage, "command": ["serve"]})


def instances(of: Service, count: int, *, running: bool = True) -> list[Instance]:
    return [Instance(f"{of.name}-{of.revision}-{number}", of, running=running) for number in range(count)]


def test_the_number_of_instances_is_no_part_of_the_revision() -> None:
    assert service(2).revision == service(8).revision != service(2, "oss://b/v2/").revision


def test_from_nothing_to_what_is_wanted() -> None:
    assert plan([service(2), service(3, name="embed")], []) == ([service(2)] * 2 + [service(3, name="embed")] * 3, [])


def test_scaled_up_and_down() -> None:
    have = instances(service(), 2)
    assert plan([service(8)], have) == ([service(8)] * 6, [])
    assert plan([service(1)], have) == ([], have[1:])


def test_a_service_without_a_file_goes() -> None:
    have = instances(service(), 2)
    assert plan([], have) == ([], have)


def test_a_rolling_change_replaces_one_after_the_other() -> None:
    new, old = service(2, "oss://b/v2/"), instances(service(2), 2)
    assert plan([new], old) == ([new], [])
    starting = instances(new, 1, running=False)
    assert plan([new], old + starting) == ([], [])
    starting[0].running = True
    assert plan([new], old + starting) == ([], old[:1])


def test_what_is_on_its_way_out_counts_no_more() -> None:
    have = instances(service(), 2)
    have[0].stopping = True
    assert plan([service()], have) == ([service()], [])


@pytest.mark.parametrize("document", [{}, {"name": "chat", "instances": "many"}, {"instances": 1}])
def test_what_is_no_service(document: dict[str, object]) -> None:
    with pytest.raises((KeyError, ValueError)):
        Service.of(document)


@given(st.lists(st.tuples(st.integers(0, 4), st.sampled_from(["v1", "v2", "v3"])), min_size=1, max_size=4))
def test_every_change_comes_to_its_end_and_a_roll_never_serves_with_fewer(changes: Sequence[tuple[int, str]]) -> None:
    have: list[Instance] = []
    for count, version in changes:
        wanted = service(count, version)
        least = min(count, sum(one.running for one in have))
        for _ in range(STEPS):
            start, stop = plan([wanted], have)
            if not start and not stop and all(one.running for one in have):
                break
            most = max(count + 1, len(have))
            have = [one for one in have if one not in stop]
            assert sum(one.running for one in have) >= least
            for one in have:
                one.running = True
            have += [Instance("new", one) for one in start]
            assert len(have) <= most
        assert [one.service.revision for one in have] == [wanted.revision] * count
        assert all(one.running for one in have)
