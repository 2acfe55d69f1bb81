"""One origin for all who use the same one."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace

import pytest

from cachefs.errors import Interrupted, InvalidSource
from cachefs.origin import CredentialSettings, OriginSettings, Source, parse_source
from cachefs.origin.memory import MemoryOrigin
from cachefs.ports import Origin
from mows.origins import OriginPool


@dataclass
class ClosingOrigin(MemoryOrigin):
    closed: int = 0

    def close(self) -> None:
        self.closed += 1


@dataclass
class Opener:
    opened: list[ClosingOrigin] = field(default_factory=list)
    pause: threading.Event = field(default_factory=threading.Event)

    def __call__(self, source: Source, settings: OriginSettings) -> Origin:
        self.pause.wait()
        origin = ClosingOrigin(source.authority)
        self.opened.append(origin)
        return origin


@pytest.fixture
def opener() -> Opener:
    opener = Opener()
    opener.pause.set()
    return opener


def pool_of(opener: Opener) -> OriginPool:
    return OriginPool(opener, lambda _: OriginSettings())


A, A_BELOW, B = map(parse_source, ("memory://a/", "memory://a/below/", "memory://b/"))


def test_prefixes_of_one_bucket_share_an_origin_until_the_last_user_leaves(opener: Opener) -> None:
    pool = pool_of(opener)
    with pool.use(A) as first:
        with pool.use(A_BELOW) as second, pool.use(B) as other:
            assert second is first
            assert other is not first
        assert [origin.closed for origin in opener.opened] == [0, 1]
    assert [origin.closed for origin in opener.opened] == [1, 1]
    with pool.use(A) as again:
        assert again is not first


def test_other_keys_mean_another_origin(opener: Opener) -> None:
    def settings_of(source: Source) -> OriginSettings:
        secret = "one" if source.prefix else "two"
        keys = CredentialSettings(provider="static", access_key_id="AK", access_key_secret=secret)
        return OriginSettings(credentials=keys)

    pool = OriginPool(opener, settings_of)
    with pool.use(A) as first, pool.use(A_BELOW) as second:
        assert second is not first


def test_two_who_come_at_once_open_it_once(opener: Opener) -> None:
    pool = pool_of(opener)
    opener.pause.clear()
    met = threading.Barrier(4)
    found = []

    def use() -> None:
        with pool.use(A) as origin:
            found.append(origin)
            met.wait(30)

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    opener.pause.set()
    for thread in threads:
        thread.join()
    assert len(opener.opened) == 1
    assert all(origin is found[0] for origin in found)


def test_what_cannot_be_opened_is_tried_again() -> None:
    refusals = [InvalidSource("no")]

    def open_origin(source: Source, settings: OriginSettings) -> Origin:
        if refusals:
            raise refusals.pop()
        return MemoryOrigin()

    pool = OriginPool(open_origin, lambda _: OriginSettings())
    with pytest.raises(InvalidSource), pool.use(A):
        pass
    with pool.use(A):
        pass


def test_close_closes_what_is_in_use_and_opens_no_more(opener: Opener) -> None:
    pool = pool_of(opener)
    with pool.use(A):
        pool.close()
        assert opener.opened[0].closed == 1
        with pytest.raises(Interrupted), pool.use(B):
            pass


def test_other_keys_are_another_origin(opener: Opener) -> None:
    pool = pool_of(opener)
    with pool.use(A) as plain, pool.use(replace(A, keys="k")) as ours, pool.use(replace(A_BELOW, keys="k")) as shared:
        assert ours is not plain
        assert shared is ours
