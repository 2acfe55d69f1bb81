"""Mounts of an earlier daemon: gone on with, mounted anew, or listed again; and left to the next one."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mows.mount_spec import MountSpec
from mows.mount_state import MountState
from mows.mounts import Mounts
from tests.unit.mows.twins import SOURCE, Node, running_node

PATIENCE_SECONDS = 30.0


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    """A node with one mount, warm, that its daemon has left to the next one; `mounts` is that next one's."""
    async with running_node(tmp_path) as node:
        node.put_model()
        node.mounter.keeps = True
        mount, _ = await node.mounts.put("m", a_spec(node))
        await mount.settled(PATIENCE_SECONDS)
        await node.mounts.close(hand_over=True)
        node.mounts = Mounts(node.mounts._services, [node.root])
        yield node
        await node.mounts.close()


def a_spec(node: Node) -> MountSpec:
    return MountSpec(SOURCE, str(node.root / "m"), warm=True, lease_seconds=60.0)


async def restored(node: Node) -> MountState:
    await node.mounts.restore()
    mount = node.mounts.get("m")
    await mount.settled(PATIENCE_SECONDS)
    return mount.state


async def test_it_goes_on_as_if_nothing_had_happened(node: Node) -> None:
    assert list(node.mounter.left) == [node.root / "m"]
    assert await restored(node) is MountState.WARM
    assert (node.mounts.adopted, node.mounter.taken_away, node.mounter.left) == (1, [], {})
    _, created = await node.mounts.put("m", a_spec(node))
    assert not created


async def test_it_asks_no_origin_for_what_is_in_the_cache(node: Node) -> None:
    node.origins.error = AssertionError("asked")  # type: ignore[assignment] # no error of an origin: a failed test
    assert await restored(node) is MountState.WARM


async def test_a_restart_does_not_make_a_lease_longer(node: Node) -> None:
    until = node.now.now + 60.0
    node.now.now += 20.0
    node.clock.now += 20.0
    await restored(node)
    assert (await node.mounts.get("m").status()).warm_until == until


async def test_without_what_a_keeper_held_it_is_mounted_anew_without_a_listing(node: Node) -> None:
    node.mounter.left.clear()
    node.origins.error = AssertionError("asked")  # type: ignore[assignment] # no error of an origin: a failed test
    assert await restored(node) is MountState.WARM
    assert (node.mounts.adopted, node.mounter.taken_away) == (0, [node.root / "m"])


@pytest.mark.expects_warnings
async def test_a_lost_snapshot_is_listed_again(node: Node, tmp_path: Path) -> None:
    (tmp_path / "records" / "m" / "snapshot.json").write_text("{")
    assert await restored(node) is MountState.WARM
    assert (node.mounts.adopted, node.mounter.taken_away) == (0, [node.root / "m"])


async def test_warming_waits_until_peers_are_known(node: Node) -> None:
    may_fill = node.mounts._services.may_fill
    may_fill.clear()
    await node.mounts.restore()
    mount = node.mounts.get("m")
    assert (await mount.status()).state is not MountState.WARM
    may_fill.set()
    await mount.settled(PATIENCE_SECONDS)
    assert (await mount.status()).state is MountState.WARM


async def test_what_was_unmounted_does_not_come_back(node: Node) -> None:
    await restored(node)
    assert await node.mounts.delete("m")
    following = Mounts(node.mounts._services, [node.root])
    await following.restore()
    assert following.all() == []


async def test_the_end_without_a_keeper_unmounts_and_forgets(node: Node) -> None:
    await restored(node)
    node.mounter.mounts[node.root / "m"].keeps = False
    await node.mounts.close(hand_over=True)
    assert node.mounter.left == {}
    following = Mounts(node.mounts._services, [node.root])
    await following.restore()
    assert following.all() == []


async def test_a_new_listing_is_what_the_next_daemon_shows(node: Node) -> None:
    await restored(node)
    node.origins.origin.put("model/new.bin", b"new")
    await node.mounts.get("m").refresh()
    await node.mounts.close(hand_over=True)
    node.mounts = Mounts(node.mounts._services, [node.root])
    await restored(node)
    assert {file.path for file in node.mounter.mounts[node.root / "m"].snapshot.files()} >= {"new.bin", "config.json"}


async def test_a_state_directory_that_cannot_be_written_costs_a_warning(
    node: Node, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await restored(node)
    (tmp_path / "records" / "n").write_text("in the way")
    mount, _ = await node.mounts.put("n", MountSpec(SOURCE, str(node.root / "n")))
    await mount.settled(PATIENCE_SECONDS)
    assert mount.state is MountState.MOUNTED
    assert [r.message for r in caplog.records if r.levelno == logging.WARNING] == [
        "record not written, the mount would not survive a restart"
    ]
