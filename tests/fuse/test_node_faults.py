"""One node whose origin or cache misbehaves: what readers of a real mount see."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from typing import Any

import pytest

from tests.fuse.node import BUCKET, CHUNK, Node, running_node, some_bytes
from tests.waiting import eventually


@pytest.fixture
def node() -> Iterator[Node]:
    with running_node() as running:
        yield running


def test_an_object_without_its_checksum_is_fetched_again(node: Node) -> None:
    """SEMANTICS S11: a bit flips on the way from the origin; the whole object's CRC-64 finds it."""
    content = some_bytes(4 * CHUNK)
    node.put("m/w.safetensors", content)
    node.server.faults.flip_byte(1000, key="m/w.safetensors")
    job = node.daemon.call("POST", "/prewarms", {"sources": [f"oss://{BUCKET}/m/"]})
    eventually(lambda: node.daemon.call("GET", f"/prewarms/{job['id']}")["state"] == "warm", "the prewarm")
    assert node.daemon.metric("mows_store_corrupt_blobs_total") == 1
    assert (node.mount() / "w.safetensors").read_bytes() == content
    assert node.sent_bytes() == 2 * len(content)


def test_a_model_that_fits_into_no_tier_goes_through_it() -> None:
    """SEMANTICS S20: the blob lives there chunk by chunk; the capacity holds, and the bytes are right."""
    content = some_bytes(48 * CHUNK)
    with running_node(capacity_bytes=8 * CHUNK) as node:
        node.put("m/large.safetensors", content)
        target = node.mount()
        assert (target / "large.safetensors").read_bytes() == content
        assert node.daemon.metric("mows_tier_used_bytes") <= 8 * CHUNK
        assert node.daemon.metric("mows_store_evicted_chunks_total") > 0


def test_models_that_do_not_fit_together_take_turns() -> None:
    """SEMANTICS S20: the cold one is evicted for the one being read, and comes back when it is read again."""
    contents = {"first": some_bytes(20 * CHUNK, seed=1), "second": some_bytes(20 * CHUNK, seed=2)}
    with running_node(capacity_bytes=32 * CHUNK) as node:
        for model, content in contents.items():
            node.put(f"{model}/w.safetensors", content)
        # A mount for each: files of one mount are read ahead, and then both are in use.
        targets = {model: node.mount(f"{model}/", model) for model in contents}
        for model in 2 * list(contents):
            assert (targets[model] / "w.safetensors").read_bytes() == contents[model]
            eventually(lambda: not any(blob["in_use"] for blob in blobs(node)), "the kernel's word that it is closed")
        assert node.daemon.metric("mows_store_evictions_total") >= 2
        assert node.daemon.metric("mows_tier_used_bytes") <= 32 * CHUNK


def blobs(node: Node) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = node.daemon.call("GET", "/cache/blobs")["blobs"]
    return found


def test_denied_and_archived_objects_are_permission_errors(node: Node) -> None:
    """SEMANTICS S17."""
    node.put("m/denied", b"secret")
    node.server.put(BUCKET, "m/frozen", b"cold", storage_class="Archive")
    target = node.mount()
    node.server.faults.fail(403, "AccessDenied", count=None, operation="GetObject", key="m/denied")
    for name, code in (("denied", "origin_denied"), ("frozen", "origin_archived")):
        with pytest.raises(PermissionError) as caught:
            (target / name).read_bytes()
        assert caught.value.errno == errno.EACCES
        assert code in node.log
    node.server.faults.clear()
    assert (target / "denied").read_bytes() == b"secret"


def test_bodies_that_break_are_fetched_again(node: Node) -> None:
    """SEMANTICS S7: resets, short bodies and wrong ranges from the origin never reach a reader."""
    content = some_bytes(12 * CHUNK)
    node.put("m/w.bin", content)
    target = node.mount()
    node.server.faults.reset_body(CHUNK // 2, count=2)
    node.server.faults.truncate_body(1000, count=2)
    node.server.faults.wrong_content_range(count=2)
    node.server.faults.fail(500, "InternalError", count=2, operation="GetObject")
    assert (target / "w.bin").read_bytes() == content
    assert node.daemon.metric("mows_fetch_retries_total") > 0


def test_a_blob_that_rots_on_disk_is_found_and_fetched_again(node: Node) -> None:
    """SEMANTICS S11: `verify` compares every chunk with the hash it was stored with."""
    content = some_bytes(4 * CHUNK)
    node.put("m/w.bin", content)
    target = node.mount()
    assert (target / "w.bin").read_bytes() == content
    blob_id = os.getxattr(target / "w.bin", "user.mows.blob").decode()
    data = node.daemon.tier / "blobs" / blob_id[:2] / blob_id / "data"
    with data.open("r+b") as file:
        file.seek(2 * CHUNK + 5)
        file.write(bytes([content[2 * CHUNK + 5] ^ 1]))
    results = node.daemon.call("POST", "/cache/verify", {"blob_ids": [blob_id]})
    assert results["blobs"][0]["bad_chunks"] == [2]
    assert (target / "w.bin").read_bytes() == content
