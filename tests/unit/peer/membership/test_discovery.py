"""Lists and names: what is told, and what a failing resolver changes (nothing)."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from peer.membership.discovery import AddressInfo, DnsDiscovery, Found, StaticDiscovery, resolve
from tests.membership_world import node
from tests.waiting import until

MINE = node("me")


class Names:
    """A resolver that answers what a test says."""

    def __init__(self, *hosts: str) -> None:
        self.hosts: Sequence[str] = hosts
        self.error: Exception | None = None
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> Sequence[AddressInfo]:
        self.asked.append((host, port))
        if self.error:
            raise self.error
        return [_info(address, port) for address in self.hosts]

    async def once_more(self) -> None:
        """Wait until a question asked from now on has been answered, and what came of it was told."""
        asked = len(self.asked)
        await until(lambda: len(self.asked) > asked + 1)


def _info(host: str, port: int) -> AddressInfo:
    rest = (0, 0) if ":" in host else ()
    return (socket.AF_INET6 if rest else socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port, *rest))


@asynccontextmanager
async def looking(names: Names) -> AsyncIterator[tuple[DnsDiscovery, list[Found]]]:
    discovery, told = DnsDiscovery("peers.svc:9302", names, every_seconds=0.001), list[Found]()
    task = asyncio.create_task(discovery.run(MINE, told.append))
    yield discovery, told
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_list_is_told_once_and_that_is_all() -> None:
    told: list[Found] = []
    discovery = StaticDiscovery(("a:1", "b:1", "a:1"))
    await discovery.run(MINE, told.append)
    assert told == [Found(addresses=frozenset({"a:1", "b:1"}))]
    assert discovery.where == "a list of 2 addresses"


async def test_all_records_of_both_families_become_addresses() -> None:
    names = Names("10.0.0.1", "10.0.0.2", "fd00::7", "10.0.0.1")
    async with looking(names) as (_, told):
        await until(lambda: told)
    assert told[0].addresses == {"10.0.0.1:9302", "10.0.0.2:9302", "[fd00::7]:9302"}
    assert names.asked[0] == ("peers.svc", 9302)


async def test_it_is_told_again_only_when_it_differs() -> None:
    names = Names("10.0.0.1")
    async with looking(names) as (_, told):
        await names.once_more()
        assert len(told) == 1
        names.hosts = ("10.0.0.2",)
        await until(lambda: len(told) == 2)
    assert told[1].addresses == {"10.0.0.2:9302"}


@pytest.mark.parametrize(
    "error",
    [socket.gaierror(socket.EAI_AGAIN, "try again"), OSError("out of descriptors"), UnicodeError("label too long")],
)
async def test_a_failure_changes_nothing_and_is_warned_about_once(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    names = Names("10.0.0.1")
    async with looking(names) as (discovery, told):
        await until(lambda: told)
        names.error = error
        await until(lambda: discovery.error)
        await names.once_more()
        assert len(told) == 1
        names.error = None
        await until(lambda: not discovery.error)
        assert len(told) == 1
    levels = [record.levelname for record in caplog.records if "fails" in record.getMessage()]
    assert levels == ["WARNING"]
    assert sum("works again" in record.getMessage() for record in caplog.records) == 1


async def test_a_name_without_records_is_a_node_alone_and_later_keeps_what_is_known() -> None:
    names = Names("10.0.0.1")
    names.error = socket.gaierror(socket.EAI_NONAME, "unknown")
    async with looking(names) as (discovery, told):
        await until(lambda: told == [Found()])
        names.error = None
        await until(lambda: len(told) == 2)
        names.error = socket.gaierror(socket.EAI_NONAME, "unknown")
        await names.once_more()
        assert not discovery.error
        assert told[-1].addresses == {"10.0.0.1:9302"}


async def test_the_system_s_own_resolver_answers_in_this_shape() -> None:
    told: list[Found] = []
    task = asyncio.create_task(DnsDiscovery("127.0.0.1:9302", resolve).run(MINE, told.append))
    await until(lambda: told)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert told[0].addresses == {"127.0.0.1:9302"}


async def test_an_address_in_brackets_is_an_address() -> None:
    names, told = Names("::1"), list[Found]()
    task = asyncio.create_task(DnsDiscovery("[::1]:9302", names).run(MINE, told.append))
    await until(lambda: told)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert names.asked[0] == ("::1", 9302)
    assert told[0].addresses == {"[::1]:9302"}
