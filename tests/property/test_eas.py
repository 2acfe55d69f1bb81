"""Whatever JSON stands in `storage`: mounts inside the root and apart from one another, or an error that says where."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

from hypothesis import given
from hypothesis import strategies as some

from cachefs.origin import parse_source
from mows.eas import Plan, Wishes, translate
from mows.errors import InvalidStorage
from mows.instance_choices import Writable

ROOT = "/models/i"

names = some.sampled_from(
    ["mount_path", "mountPath", "oss", "nfs", "cache", "empty_dir", "git", "path", "server", "readOnly", "endpoint"]
)
paths = some.sampled_from(["/a", "/a/", "/a/b", "/ab", "//a", "/", "/c/../a", "a", "/é", "/\ud800", "/\0"])
texts = paths | some.sampled_from(["oss://bkt/m/", "oss://bkt", "oss-cn-a.aliyuncs.com", "server", ""]) | some.text()
scalars = some.none() | some.booleans() | some.integers() | some.floats() | texts
odd = some.recursive(scalars, lambda inner: some.lists(inner, max_size=2) | some.dictionaries(names, inner, max_size=3))

fields = some.dictionaries(names, scalars, max_size=4)
kinds = some.sampled_from(["oss", "nfs", "cache", "empty_dir", "git"])
sensible = some.builds(
    lambda mount_path, kind, rest, more: {"mount_path": mount_path, kind: rest} | more,
    some.sampled_from(["/a", "/b", "/b/c", "/d"]),
    kinds,
    some.fixed_dictionaries(
        {"path": some.sampled_from(["oss://bkt/m/", "/a", "/a/x", "/b"])},
        optional={"server": some.just("s"), "readOnly": some.booleans()},
    ),
    some.dictionaries(names, scalars, max_size=1),
)
entries = sensible | some.dictionaries(names, odd, max_size=4)


def outcome(storage: list[dict[str, Any]], wishes: Wishes) -> tuple[Plan | None, InvalidStorage | None]:
    try:
        return translate(storage, wishes, lambda _: None), None
    except InvalidStorage as error:
        return None, error


@given(some.lists(entries, max_size=4), some.sampled_from(Writable), some.booleans())
def test_any_json(storage: list[dict[str, Any]], writable: Writable, warm: bool) -> None:
    plan, error = outcome(storage, Wishes(ROOT, warm, writable))
    if plan is None:
        assert str(error).startswith("storage[")
        assert error is not None
        assert error.hint
        return
    assert sorted([row.number for row in plan.mounts + plan.ignored]) == list(range(len(storage)))
    places = [PurePosixPath(mount.spec.mount_path) for mount in plan.mounts]
    assert all(place.is_relative_to(ROOT) and place != PurePosixPath(ROOT) for place in places)
    assert not any(one.is_relative_to(other) for one in places for other in places if one is not other)
    for mount in plan.mounts:
        parse_source(mount.spec.source)
        mount.spec.source.encode()
        assert mount.spec.warm <= warm
