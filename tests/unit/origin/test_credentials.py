"""When keys are fetched, and which are used meanwhile, on a clock of our own."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from cachefs.errors import CredentialsExpired
from cachefs.origin.credentials import (
    EARLY_RETRY_SECONDS,
    REFUSED_RETRY_SECONDS,
    RENEW_BEFORE_SECONDS,
    Credentials,
)
from cachefs.origin.keys import InvalidKeys, Keys

pytestmark = pytest.mark.expects_warnings  # refused documents are logged


@dataclass
class FakeSource:
    """Hands out keys numbered by fetch; `lifetime` None: they do not expire."""

    now: float = 1000.0
    lifetime: float | None = 3600.0
    fetches: int = 0
    fault: str = ""
    version: int = 0
    name: str = "a test"
    gate: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    def fetch(self) -> Keys:
        assert self.gate.wait(30)
        self.fetches += 1
        if self.fault:
            raise InvalidKeys(self.fault)
        return Keys(f"id-{self.fetches}", "secret", "", None if self.lifetime is None else self.now + self.lifetime)

    def stamp(self) -> object:
        return self.version

    def credentials(self) -> Credentials:
        return Credentials(self, clock=lambda: self.now)


def test_keys_are_fetched_once_while_they_are_young() -> None:
    source = FakeSource()
    credentials = source.credentials()
    first = credentials.get()
    source.now += 3600 - RENEW_BEFORE_SECONDS - 1
    assert credentials.get() == first
    assert source.fetches == 1


def test_keys_are_replaced_before_they_end() -> None:
    source = FakeSource()
    credentials = source.credentials()
    credentials.get()
    source.now += 3600 - RENEW_BEFORE_SECONDS + 1
    assert credentials.get().access_key_id == "id-2"


def test_keys_that_live_shorter_than_the_margin_are_not_fetched_each_time() -> None:
    source = FakeSource(lifetime=600)
    credentials = source.credentials()
    for _ in range(10):
        credentials.get()
    assert source.fetches == 1
    source.now += EARLY_RETRY_SECONDS
    credentials.get()
    assert source.fetches == 2


def test_a_changed_source_is_read_at_once() -> None:
    source = FakeSource(lifetime=None)
    credentials = source.credentials()
    credentials.get()
    source.version += 1
    assert credentials.get().access_key_id == "id-2"
    assert credentials.get().access_key_id == "id-2"


def test_a_failing_source_keeps_the_old_keys_until_they_end(caplog: pytest.LogCaptureFixture) -> None:
    source = FakeSource()
    credentials = source.credentials()
    first = credentials.get()
    source.fault = "broken"
    source.now += 3599
    with caplog.at_level(logging.WARNING):
        assert credentials.get() == first
    assert "a test: broken; the old ones are kept" in caplog.text
    source.now += 2
    with pytest.raises(CredentialsExpired, match="there are no newer ones"):
        credentials.get()
    source.fault = ""
    assert credentials.get().access_key_id.startswith("id-")


def test_expired_keys_do_not_replace_good_ones() -> None:
    source = FakeSource()
    credentials = source.credentials()
    first = credentials.get()
    source.lifetime = -1
    source.version += 1
    assert credentials.get() == first


def test_no_keys_at_all() -> None:
    source = FakeSource(fault="nothing there")
    with pytest.raises(CredentialsExpired, match="credentials from a test: nothing there"):
        source.credentials().get()


def test_refused_keys_are_renewed_by_the_first_who_says_so() -> None:
    source = FakeSource()
    credentials = source.credentials()
    refused = credentials.get()
    source.now += REFUSED_RETRY_SECONDS
    newer = credentials.renew(refused)
    assert newer.access_key_id == "id-2"
    assert credentials.renew(refused) == newer
    assert source.fetches == 2


def test_a_refusal_does_not_ask_the_provider_again_and_again() -> None:
    source = FakeSource(lifetime=None)
    credentials = source.credentials()
    keys = credentials.get()
    for _ in range(10):
        assert credentials.renew(keys) == keys
    assert source.fetches == 1


def test_one_thread_fetches_and_the_others_go_on_with_what_they_have() -> None:
    source = FakeSource()
    credentials = source.credentials()
    first = credentials.get()
    source.now += 3000
    source.gate.clear()
    with ThreadPoolExecutor(1) as threads:
        fetching = threads.submit(credentials.get)
        while not credentials._lock.locked():
            pass
        assert [credentials.get() for _ in range(5)] == [first] * 5
        source.gate.set()
        assert fetching.result().access_key_id == "id-2"
    assert source.fetches == 2
