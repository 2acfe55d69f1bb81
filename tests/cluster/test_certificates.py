"""Daemons that know each other by certificates: chunks come over gRPC, and certificates change while they flow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from tests import certificates
from tests.certificates import Authority
from tests.cluster.loopback import host, running_nodes
from tests.cluster.rotating import DATA, UPLINK, Pair, put_models
from tests.cluster.views import peers_of, rows, wait_until_up, warm

CHUNK = 256 << 10


class Certificates:
    """The files of one node, replaced by renaming as a sidecar does."""

    def __init__(self, root: Path, number: int) -> None:
        root.mkdir()
        self._root = root
        self._addresses = f"IP:{host(number)}"

    @property
    def keys(self) -> dict[str, str]:
        """``peers.tls``."""
        return {name: str(self._root / name) for name in ("cert", "key", "ca")}

    def signed(self, authority: Authority, name: str) -> certificates.Pair:
        """A certificate for this node, not yet in use."""
        return authority.sign(name, addresses=self._addresses)

    def show(self, pair: certificates.Pair) -> None:
        """Use it from now on."""
        self._replace("key", pair.key.read_text())
        self._replace("cert", pair.cert.read_text())

    def trust(self, *authorities: Authority) -> None:
        """Whose certificates to accept."""
        self._replace("ca", "".join(authority.cert.read_text() for authority in authorities))

    def _replace(self, name: str, text: str) -> None:
        fresh = self._root / f"{name}.new"
        fresh.write_text(text)
        fresh.rename(self._root / name)


@dataclass(frozen=True)
class CertifiedPair:
    """Two nodes with mutual TLS and no token."""

    pair: Pair
    ends: tuple[Certificates, Certificates]
    authority: Authority


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CertifiedPair]:
    where = tmp_path_factory.mktemp("certificates")
    first = Authority(where)
    ends = Certificates(where / "giver", 0), Certificates(where / "taker", 1)
    for number, end in enumerate(ends):
        end.show(end.signed(first, f"first-{number}"))
        end.trust(first)
    everywhere = {"uplink": UPLINK, "token_file": None}
    changes = {number: {"tls": end.keys} for number, end in enumerate(ends)}
    with running_nodes(2, chunk_bytes=CHUNK, everywhere=everywhere, changes=changes) as nodes:
        put_models(nodes)
        yield CertifiedPair(Pair(nodes), ends, first)


def test_with_certificates_chunks_come_over_grpc(certified: CertifiedPair) -> None:
    pair = certified.pair
    wait_until_up(*pair.nodes.daemons)
    warm(pair.giver)
    pair.nodes.unplug_origin()
    assert warm(pair.taker)["bytes"]["from_peers"] == len(DATA)
    pair.nodes.plug_origin()
    assert peers_of(pair.giver)["lane_port"] is None
    (row,) = rows(pair.taker, "node-0")
    assert (row["lane"], row["lane_port"], row["failures"]) == ("grpc", None, 0)


def test_certificates_and_their_authority_change_while_chunks_flow(certified: CertifiedPair, tmp_path: Path) -> None:
    """Both authorities are trusted, then all certificates are of the new one, then only that is trusted."""
    newer = Authority(tmp_path, "newer")
    fresh = [end.signed(newer, f"newer-{number}") for number, end in enumerate(certified.ends)]

    def trust(*authorities: Authority) -> None:
        for end in certified.ends:
            end.trust(*authorities)

    def show() -> None:
        for end, pair in zip(certified.ends, fresh, strict=True):
            end.show(pair)

    certified.pair.read_while([partial(trust, certified.authority, newer), show, partial(trust, newer)])
    certified.pair.exchange_afterwards()
