"""A prewarm at one moment, as a value, and as the JSON that stands in its record and that nodes send each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from cachefs.errors import CacheError, InTheWay, NoSpace
from mows.prewarm_spec import PrewarmSpec
from mows.prewarm_state import Order, PrewarmState
from mows.progress import ByteCounts

NOTHING = ByteCounts()


@dataclass(frozen=True, slots=True)
class PrewarmStatus:
    """A prewarm at one moment."""

    prewarm_id: str
    spec: PrewarmSpec
    state: PrewarmState
    files: int = 0
    bytes: ByteCounts = NOTHING
    bytes_per_second: float | None = None
    eta_seconds: float | None = None
    eta_error_ratio: float | None = None
    """How far the estimate after a tenth was from the truth, which is known in the end."""
    corrupt_chunks: int | None = None
    """Found and dropped before it began; None: nobody looked."""
    warm_until: float | None = None
    """Unix time."""
    error: BaseException | None = None
    nodes: tuple[NodeStatus, ...] | None = None
    """Of a prewarm of several nodes: each of them."""

    @property
    def sources(self) -> tuple[str, ...]:
        """What it was asked for."""
        return self.spec.sources


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """The part of one node, as it was heard last."""

    node: str
    status: PrewarmStatus
    unheard: str = ""
    """Why it could not be asked lately; empty: it could."""


def encode(status: PrewarmStatus) -> dict[str, Any]:
    """As JSON."""
    plain = PrewarmStatus(
        **{name: getattr(status, name) for name in PrewarmStatus.__slots__ if name not in {"error", "nodes"}}
    )
    nodes = status.nodes and [
        {"node": node.node, "status": encode(node.status), "unheard": node.unheard} for node in status.nodes
    ]
    return {**asdict(plain), "error": encode_error(status.error), "nodes": nodes}


def decode(document: Mapping[str, Any]) -> PrewarmStatus:
    """The other way. ValueError for anything that `encode` does not write."""
    try:
        return _decode(dict(document))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not the state of a prewarm: {error!r}") from error


def encode_spec(spec: PrewarmSpec) -> dict[str, Any]:
    """As JSON."""
    return asdict(spec)


def decode_spec(document: Mapping[str, Any]) -> PrewarmSpec:
    """The other way. ValueError for anything that `encode_spec` does not write."""
    try:
        rate = document["rate"]
        return PrewarmSpec(
            sources=tuple(map(str, document["sources"])),
            lease_seconds=float(document["lease_seconds"]),
            order=Order(document["order"]),
            rate=None if rate is None else float(rate),
            verify=bool(document["verify"]),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not what a prewarm is asked for: {error!r}") from error


def _decode(fields: dict[str, Any]) -> PrewarmStatus:
    nodes = fields.pop("nodes")
    return PrewarmStatus(
        prewarm_id=str(fields["prewarm_id"]),
        spec=decode_spec(fields["spec"]),
        state=PrewarmState(fields["state"]),
        files=int(fields["files"]),
        bytes=ByteCounts(**{name: int(count) for name, count in fields["bytes"].items()}),
        bytes_per_second=_number(fields["bytes_per_second"]),
        eta_seconds=_number(fields["eta_seconds"]),
        eta_error_ratio=_number(fields["eta_error_ratio"]),
        corrupt_chunks=None if fields["corrupt_chunks"] is None else int(fields["corrupt_chunks"]),
        warm_until=_number(fields["warm_until"]),
        error=None if fields["error"] is None else decode_error(fields["error"]),
        nodes=nodes and tuple(NodeStatus(node["node"], decode(node["status"]), node["unheard"]) for node in nodes),
    )


def _number(value: object) -> float | None:
    return None if value is None else float(str(value))


def encode_error(error: BaseException | None) -> dict[str, Any] | None:
    """As JSON."""
    if error is None:
        return None
    if not isinstance(error, CacheError):
        return {"code": CacheError.code, "message": repr(error), "hint": ""}
    ways = [asdict(way) for way in error.in_the_way] if isinstance(error, NoSpace) else []
    return {"code": error.code, "message": str(error), "hint": error.hint, "in_the_way": ways}


def decode_error(document: Mapping[str, Any]) -> CacheError:
    """An error of the kind that has this code here; of the base kind, when a newer version has one more.

    KeyError and TypeError for anything that `encode_error` does not write.
    """
    kind = next((kind for kind in _kinds(CacheError) if kind.code == document["code"]), CacheError)
    message, hint = str(document["message"]), str(document["hint"])
    if issubclass(kind, NoSpace):
        ways = (InTheWay(**{**way, "held_by": tuple(way["held_by"])}) for way in document["in_the_way"])
        return kind(message, hint=hint, in_the_way=ways)
    return kind(message, hint=hint)


def _kinds(kind: type[CacheError]) -> Iterator[type[CacheError]]:
    yield kind
    for narrower in kind.__subclasses__():
        yield from _kinds(narrower)
