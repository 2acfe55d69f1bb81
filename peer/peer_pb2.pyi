from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Want(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    WANT_NONE: _ClassVar[Want]
    WANT_PART: _ClassVar[Want]
    WANT_ALL: _ClassVar[Want]
WANT_NONE: Want
WANT_PART: Want
WANT_ALL: Want

class Identity(_message.Message):
    __slots__ = ("node_id", "boot_id", "address", "lane_port", "zone", "chunk_bytes", "protocol", "version")
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    BOOT_ID_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    LANE_PORT_FIELD_NUMBER: _ClassVar[int]
    ZONE_FIELD_NUMBER: _ClassVar[int]
    CHUNK_BYTES_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    node_id: str
    boot_id: str
    address: str
    lane_port: int
    zone: str
    chunk_bytes: int
    protocol: int
    version: str
    def __init__(self, node_id: _Optional[str] = ..., boot_id: _Optional[str] = ..., address: _Optional[str] = ..., lane_port: _Optional[int] = ..., zone: _Optional[str] = ..., chunk_bytes: _Optional[int] = ..., protocol: _Optional[int] = ..., version: _Optional[str] = ...) -> None: ...

class HelloRequest(_message.Message):
    __slots__ = ("identity",)
    IDENTITY_FIELD_NUMBER: _ClassVar[int]
    identity: Identity
    def __init__(self, identity: _Optional[_Union[Identity, _Mapping]] = ...) -> None: ...

class HelloReply(_message.Message):
    __slots__ = ("identity", "cannot_reach_you")
    IDENTITY_FIELD_NUMBER: _ClassVar[int]
    CANNOT_REACH_YOU_FIELD_NUMBER: _ClassVar[int]
    identity: Identity
    cannot_reach_you: str
    def __init__(self, identity: _Optional[_Union[Identity, _Mapping]] = ..., cannot_reach_you: _Optional[str] = ...) -> None: ...

class Chunks(_message.Message):
    __slots__ = ("bitmap", "numbers")
    BITMAP_FIELD_NUMBER: _ClassVar[int]
    NUMBERS_FIELD_NUMBER: _ClassVar[int]
    bitmap: bytes
    numbers: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, bitmap: _Optional[bytes] = ..., numbers: _Optional[_Iterable[int]] = ...) -> None: ...

class FollowRequest(_message.Message):
    __slots__ = ("identity", "follow", "unfollow")
    IDENTITY_FIELD_NUMBER: _ClassVar[int]
    FOLLOW_FIELD_NUMBER: _ClassVar[int]
    UNFOLLOW_FIELD_NUMBER: _ClassVar[int]
    identity: Identity
    follow: _containers.RepeatedCompositeFieldContainer[Follow]
    unfollow: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, identity: _Optional[_Union[Identity, _Mapping]] = ..., follow: _Optional[_Iterable[_Union[Follow, _Mapping]]] = ..., unfollow: _Optional[_Iterable[bytes]] = ...) -> None: ...

class Follow(_message.Message):
    __slots__ = ("blob", "want")
    BLOB_FIELD_NUMBER: _ClassVar[int]
    WANT_FIELD_NUMBER: _ClassVar[int]
    blob: bytes
    want: Want
    def __init__(self, blob: _Optional[bytes] = ..., want: _Optional[_Union[Want, str]] = ...) -> None: ...

class HaveBatch(_message.Message):
    __slots__ = ("peer", "updates")
    PEER_FIELD_NUMBER: _ClassVar[int]
    UPDATES_FIELD_NUMBER: _ClassVar[int]
    peer: str
    updates: _containers.RepeatedCompositeFieldContainer[HaveUpdate]
    def __init__(self, peer: _Optional[str] = ..., updates: _Optional[_Iterable[_Union[HaveUpdate, _Mapping]]] = ...) -> None: ...

class HaveUpdate(_message.Message):
    __slots__ = ("blob", "chunk_count", "whole", "have", "fetching", "want")
    BLOB_FIELD_NUMBER: _ClassVar[int]
    CHUNK_COUNT_FIELD_NUMBER: _ClassVar[int]
    WHOLE_FIELD_NUMBER: _ClassVar[int]
    HAVE_FIELD_NUMBER: _ClassVar[int]
    FETCHING_FIELD_NUMBER: _ClassVar[int]
    WANT_FIELD_NUMBER: _ClassVar[int]
    blob: bytes
    chunk_count: int
    whole: bool
    have: Chunks
    fetching: Chunks
    want: Want
    def __init__(self, blob: _Optional[bytes] = ..., chunk_count: _Optional[int] = ..., whole: _Optional[bool] = ..., have: _Optional[_Union[Chunks, _Mapping]] = ..., fetching: _Optional[_Union[Chunks, _Mapping]] = ..., want: _Optional[_Union[Want, str]] = ...) -> None: ...

class LocateRequest(_message.Message):
    __slots__ = ("blob", "chunks", "urgent")
    BLOB_FIELD_NUMBER: _ClassVar[int]
    CHUNKS_FIELD_NUMBER: _ClassVar[int]
    URGENT_FIELD_NUMBER: _ClassVar[int]
    blob: bytes
    chunks: Chunks
    urgent: bool
    def __init__(self, blob: _Optional[bytes] = ..., chunks: _Optional[_Union[Chunks, _Mapping]] = ..., urgent: _Optional[bool] = ...) -> None: ...

class LocateReply(_message.Message):
    __slots__ = ("have", "fetching")
    HAVE_FIELD_NUMBER: _ClassVar[int]
    FETCHING_FIELD_NUMBER: _ClassVar[int]
    have: Chunks
    fetching: Chunks
    def __init__(self, have: _Optional[_Union[Chunks, _Mapping]] = ..., fetching: _Optional[_Union[Chunks, _Mapping]] = ...) -> None: ...

class FetchRequest(_message.Message):
    __slots__ = ("blob", "chunk", "caller")
    BLOB_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    CALLER_FIELD_NUMBER: _ClassVar[int]
    blob: bytes
    chunk: int
    caller: str
    def __init__(self, blob: _Optional[bytes] = ..., chunk: _Optional[int] = ..., caller: _Optional[str] = ...) -> None: ...

class FetchReply(_message.Message):
    __slots__ = ("head", "data")
    HEAD_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    head: FetchHead
    data: bytes
    def __init__(self, head: _Optional[_Union[FetchHead, _Mapping]] = ..., data: _Optional[bytes] = ...) -> None: ...

class FetchHead(_message.Message):
    __slots__ = ("digest", "size")
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    digest: bytes
    size: int
    def __init__(self, digest: _Optional[bytes] = ..., size: _Optional[int] = ...) -> None: ...

class HoldsRequest(_message.Message):
    __slots__ = ("blobs",)
    BLOBS_FIELD_NUMBER: _ClassVar[int]
    blobs: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, blobs: _Optional[_Iterable[bytes]] = ...) -> None: ...

class HoldsReply(_message.Message):
    __slots__ = ("blobs",)
    BLOBS_FIELD_NUMBER: _ClassVar[int]
    blobs: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, blobs: _Optional[_Iterable[bytes]] = ...) -> None: ...

class OpenLaneRequest(_message.Message):
    __slots__ = ("caller",)
    CALLER_FIELD_NUMBER: _ClassVar[int]
    caller: str
    def __init__(self, caller: _Optional[str] = ...) -> None: ...

class Ticket(_message.Message):
    __slots__ = ("ticket", "port", "expires_seconds")
    TICKET_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_SECONDS_FIELD_NUMBER: _ClassVar[int]
    ticket: bytes
    port: int
    expires_seconds: float
    def __init__(self, ticket: _Optional[bytes] = ..., port: _Optional[int] = ..., expires_seconds: _Optional[float] = ...) -> None: ...

class PrewarmRequest(_message.Message):
    __slots__ = ("caller", "document")
    CALLER_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    caller: str
    document: bytes
    def __init__(self, caller: _Optional[str] = ..., document: _Optional[bytes] = ...) -> None: ...

class PrewarmReply(_message.Message):
    __slots__ = ("document",)
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    document: bytes
    def __init__(self, document: _Optional[bytes] = ...) -> None: ...
