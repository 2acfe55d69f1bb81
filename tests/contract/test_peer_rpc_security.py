"""Who is let in, and what everybody else learns: nothing."""

from __future__ import annotations

import asyncio
import dataclasses
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import grpc.aio
import pytest

from cachefs.errors import PeerRefused, PeerUnavailable
from cachefs.types import BlobId, BlobKey, Deadline
from peer.rpc.hello import hello
from peer.rpc.link import PeerLink
from peer.rpc.messages import Locate, encode_hello, path
from peer.rpc.security import Security
from peer.settings import SecuritySettings
from tests.certificates import Authority
from tests.contract.peer_world import ME, World, serving, settings_of

BLOB = BlobId("ab" * 16)
OPEN = SecuritySettings()

Answer = tuple[grpc.StatusCode, str]


async def answer(address: str, method: str, request: bytes, metadata: tuple[tuple[str, str], ...]) -> Answer:
    """How a stranger's call ends."""
    async with grpc.aio.insecure_channel(address) as channel:
        stranger: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(path(method))
        call = stranger(request, timeout=10.0, metadata=metadata)
        return await call.code(), await call.details()


def rewrite(path: Path, text: str | None) -> None:
    """Other content; None removes the file."""
    if text is None:
        path.unlink()
    else:
        path.write_text(text)


def fetched(link: PeerLink, key: BlobKey) -> bytes:
    stream = link.fetch(key, 0, Deadline.after(60.0))
    try:
        return b"".join(stream)
    finally:
        stream.close()


class TestToken:
    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        path = tmp_path / "token"
        path.write_text("secret\n")
        return path

    @pytest.fixture
    async def world(self, tmp_path: Path, file: Path) -> AsyncIterator[World]:
        async with serving(tmp_path, settings_of(security=SecuritySettings(token_file=file))) as running:
            yield running

    async def test_those_who_have_it_are_let_in(self, world: World, file: Path) -> None:
        key = world.shelf.put(b"bytes")
        async with world.link() as link:
            assert await link.locate(key.blob_id, 1, urgent=False) == (0, 0)
            assert await asyncio.to_thread(fetched, link, key) == b"bytes"
        security = Security(SecuritySettings(token_file=file))
        assert (await hello(world.server.address, ME, security, 5.0)).identity == world.there
        assert world.server.rejected == {}

    @pytest.mark.parametrize(
        "metadata",
        [
            (),
            (("authorization", "Bearer wrong"),),
            (("authorization", "Bearer "),),
            (("authorization", "secret"),),
            (("authorization", "Basic secret"),),
            (("authorization", "Bearer secret, Bearer wrong"),),
            (("authorization", "Bearer secret"), ("authorization", "Bearer secret")),
        ],
    )
    async def test_the_others_all_hear_the_same(self, world: World, metadata: tuple[tuple[str, str], ...]) -> None:
        """Whatever exists or does not, is well formed or is not, of this version or another."""
        here = world.shelf.put(b"bytes").blob_id
        asked = [
            ("Locate", Locate(here, 1, urgent=True).encode()),
            ("Locate", Locate(BLOB, 1, urgent=True).encode()),
            ("Hello", encode_hello(dataclasses.replace(ME, protocol=99))),
            ("Hello", b"\xff\xff"),
            ("Have", b""),
            ("Fetch", b""),
            ("NoSuchMethod", b""),
        ]
        answers = {await answer(world.server.address, method, request, metadata) for method, request in asked}
        assert answers == {(grpc.StatusCode.UNAUTHENTICATED, "")}
        assert world.server.rejected == {"unauthenticated": len(asked)}
        assert world.host.located == []
        assert world.host.met == []

    async def test_a_link_without_it_is_refused_in_everything(self, world: World) -> None:
        key = world.shelf.put(b"bytes")
        async with world.link(OPEN) as link:
            with pytest.raises(PeerRefused):
                await link.locate(BLOB, 1, urgent=False)
            with pytest.raises(PeerRefused):
                await link.ticket()
            with pytest.raises(PeerRefused):
                await link.run(lambda _: None)
            with pytest.raises(PeerRefused) as caught:
                await asyncio.to_thread(fetched, link, key)
        assert "peers.token_file" in caught.value.hint

    async def test_it_is_changed_node_by_node(self, world: World, file: Path, tmp_path: Path) -> None:
        other = tmp_path / "other"
        other.write_text("newer\n")
        async with world.link(SecuritySettings(token_file=other)) as link:
            with pytest.raises(PeerRefused):
                await link.ticket()
            rewrite(file, "secret\nnewer\n")
            assert await link.ticket()
            rewrite(other, "secret\n")
            assert await link.ticket()
            rewrite(file, "newer\n")
            with pytest.raises(PeerRefused):
                await link.ticket()

    async def test_without_a_readable_file_nobody_gets_in(
        self, world: World, file: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        rewrite(file, None)
        for _ in range(2):
            found = await answer(world.server.address, "Hello", b"", (("authorization", "Bearer "),))
            assert found == (grpc.StatusCode.UNAUTHENTICATED, "")
        assert [f"peers.token_file {file}" in record.getMessage() for record in caplog.records] == [True]


class Node:
    """A node's three files."""

    def __init__(self, authority: Authority, name: str, root: Path, addresses: str = "IP:127.0.0.1") -> None:
        self._root = root / name
        self._root.mkdir()
        self.settings = SecuritySettings(
            tls_cert=self._root / "cert", tls_key=self._root / "key", tls_ca=self._root / "ca"
        )
        self._addresses = addresses
        self.certify(authority, name)

    def certify(self, authority: Authority, name: str, *, trust: Authority | None = None) -> None:
        """Replace the files: a certificate for `name`, and the authority to trust."""
        pair = authority.sign(name, addresses=self._addresses)
        for source, target in ((pair.cert, "cert"), (pair.key, "key"), ((trust or authority).cert, "ca")):
            shutil.copy(source, self._root / f"{target}.new")
            (self._root / f"{target}.new").replace(self._root / target)


class TestTls:
    @pytest.fixture
    def authority(self, tmp_path: Path) -> Authority:
        return Authority(tmp_path)

    @pytest.fixture
    def there(self, authority: Authority, tmp_path: Path) -> Node:
        return Node(authority, "there", tmp_path)

    @pytest.fixture
    def here(self, authority: Authority, tmp_path: Path) -> Node:
        return Node(authority, "here", tmp_path)

    @pytest.fixture
    async def world(self, there: Node, tmp_path: Path) -> AsyncIterator[World]:
        async with serving(tmp_path, settings_of(security=there.settings)) as running:
            yield running

    async def test_both_of_one_authority(self, world: World, here: Node) -> None:
        key = world.shelf.put(b"bytes")
        async with world.link(here.settings) as link:
            assert await link.ticket()
            assert await asyncio.to_thread(fetched, link, key) == b"bytes"

    async def test_a_certificate_of_a_strange_authority_is_refused(self, world: World, tmp_path: Path) -> None:
        """From either side: here the client is the first to see it."""
        stranger = Node(Authority(tmp_path, "strange"), "stranger", tmp_path)
        with pytest.raises(PeerRefused, match="CERTIFICATE_VERIFY_FAILED"):
            await hello(world.server.address, ME, Security(stranger.settings), 5.0)
        assert world.host.met == []

    async def test_the_server_does_not_accept_it(self, world: World, authority: Authority, tmp_path: Path) -> None:
        strange = Authority(tmp_path, "strange")
        stranger = Node(strange, "stranger", tmp_path)
        stranger.certify(strange, "stranger", trust=authority)
        with pytest.raises((PeerRefused, PeerUnavailable)):
            await hello(world.server.address, ME, Security(stranger.settings), 5.0)
        assert world.host.met == []

    async def test_no_certificate_no_answer(self, world: World) -> None:
        with pytest.raises(PeerUnavailable) as caught:
            await hello(world.server.address, ME, Security(OPEN), 5.0)
        assert "peers.tls" in caught.value.hint
        assert world.host.met == []

    async def test_only_this_node_has_tls(self, here: Node, tmp_path: Path) -> None:
        async with serving(tmp_path) as world:
            with pytest.raises(PeerRefused) as caught:
                await hello(world.server.address, ME, Security(here.settings), 5.0)
        assert caught.value.hint == "peers.tls must be set on all nodes of the cluster, or on none"

    async def test_a_certificate_of_another_host(self, authority: Authority, here: Node, tmp_path: Path) -> None:
        there = Node(authority, "elsewhere", tmp_path, addresses="DNS:elsewhere")
        async with serving(tmp_path, settings_of(security=there.settings)) as world:
            with pytest.raises(PeerRefused) as caught:
                await hello(world.server.address, ME, Security(here.settings), 5.0)
        assert "peers.advertise" in caught.value.hint

    async def test_the_token_is_demanded_as_well(self, there: Node, here: Node, tmp_path: Path) -> None:
        token = tmp_path / "token"
        token.write_text("secret")
        both = dataclasses.replace(there.settings, token_file=token)
        async with serving(tmp_path, settings_of(security=both)) as world:
            with pytest.raises(PeerRefused):
                await hello(world.server.address, ME, Security(here.settings), 5.0)
            mine = Security(dataclasses.replace(here.settings, token_file=token))
            assert (await hello(world.server.address, ME, mine, 5.0)).identity == world.there

    async def test_all_certificates_are_replaced_while_nodes_run(
        self, world: World, there: Node, here: Node, tmp_path: Path
    ) -> None:
        key = world.shelf.put(b"bytes")
        async with world.link(here.settings) as link:
            assert await link.ticket()
            newer = Authority(tmp_path, "newer")
            there.certify(newer, "there")
            with pytest.raises(PeerRefused):
                await hello(world.server.address, ME, Security(here.settings), 5.0)
            with pytest.raises(PeerRefused):
                await asyncio.to_thread(fetched, link, key)
            here.certify(newer, "here")
            assert (await hello(world.server.address, ME, Security(here.settings), 5.0)).identity == world.there
            assert await asyncio.to_thread(fetched, link, key) == b"bytes"

    async def test_a_file_that_vanished_leaves_the_last_certificate(
        self, world: World, there: Node, here: Node, caplog: pytest.LogCaptureFixture
    ) -> None:
        assert there.settings.tls_key is not None
        there.settings.tls_key.unlink()
        assert (await hello(world.server.address, ME, Security(here.settings), 5.0)).identity == world.there
        assert any("the last certificate stays in use" in record.getMessage() for record in caplog.records)

    async def test_a_node_that_cannot_read_its_own(self, world: World, here: Node) -> None:
        assert here.settings.tls_key is not None
        here.settings.tls_key.unlink()
        with pytest.raises(PeerRefused, match=r"peers\.tls: .*No such file"):
            await hello(world.server.address, ME, Security(here.settings), 5.0)


def test_a_certificate_without_its_key_is_no_setting(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a certificate needs its key"):
        Security(SecuritySettings(tls_cert=tmp_path))
