"""The XML that OSS speaks: written from nested pairs, read into nothing but what is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Union
from urllib.parse import quote
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from .errors import OssError

Value = Union[str, int, bool, Sequence["Node"]]  # noqa: UP007 - a recursive alias cannot be written with |
Node = tuple[str, Value]

OWNER: Node = ("Owner", [("ID", "1234567890123456"), ("DisplayName", "1234567890123456")])


def render(root: str, content: Value) -> bytes:
    """A document."""
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{_element((root, content))}'.encode()


def _element(node: Node) -> str:
    tag, value = node
    if isinstance(value, bool):
        text = "true" if value else "false"
    elif isinstance(value, int):
        text = str(value)
    else:
        text = escape(value) if isinstance(value, str) else "".join(map(_element, value))
    return f"<{tag}>{text}</{tag}>"


def error_document(error: OssError, request_id: str, host: str) -> bytes:
    """As OSS writes its errors."""
    details: Mapping[str, str] = error.details
    nodes: list[Node] = [
        ("Code", error.code),
        ("Message", error.message),
        ("RequestId", request_id),
        ("HostId", host),
        *details.items(),
    ]
    if error.ec:
        nodes.append(("EC", error.ec))
    return render("Error", nodes)


def encoder(encoding_type: str) -> Encoder:
    """How keys are written in this answer."""
    if encoding_type not in ("", "url"):
        details = {"ArgumentName": "encoding-type", "ArgumentValue": encoding_type}
        raise OssError(400, "InvalidArgument", "Invalid Encoding Method specified in Request", details=details)
    return Encoder(url=encoding_type == "url")


class Encoder:
    """Writes keys and prefixes, percent-encoded if the client asked for it."""

    def __init__(self, *, url: bool) -> None:
        self._url = url

    def __call__(self, text: str) -> str:
        """The text as it stands in the document."""
        return quote(text, safe="") if self._url else text

    @property
    def nodes(self) -> list[Node]:
        """The element that tells the client."""
        return [("EncodingType", "url")] if self._url else []


def timestamp(seconds: float) -> str:
    """ISO 8601 as OSS writes it: whole seconds, with three zeros behind."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def parse(body: bytes, root: str) -> ElementTree.Element:
    """A document from a client. 400 MalformedXML when it is none."""
    try:
        element = ElementTree.fromstring(body)
    except ElementTree.ParseError:
        element = None
    if element is None or _local(element.tag) != root:
        raise OssError(400, "MalformedXML", "The XML you provided was not well-formed or did not validate.")
    return element


def children(parent: ElementTree.Element, tag: str) -> Iterator[ElementTree.Element]:
    """The children of this name, whatever name space the client writes."""
    return (child for child in parent if _local(child.tag) == tag)


def text_of(parent: ElementTree.Element, tag: str, default: str = "") -> str:
    """The text of the first child of this name."""
    return next((child.text or "" for child in children(parent, tag)), default)


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]
