"""The answering side of `Fetch`: the bytes of one chunk from the store, read off the loop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from cachefs.errors import PeerBusy, PeerLacks
from cachefs.sharing import Lender, LentBlob
from cachefs.types import BlobId, ByteRange
from peer.lane.uploads import Upload, Uploads
from peer.rpc.inbound import Inbound
from peer.rpc.messages import PIECE_BYTES, Fetch, Head, encode_piece
from peer.settings import PeerTimes

log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")


class Giver:
    """Chunks for whoever asks by gRPC. On the loop; it reads on threads of its own: a slow disk stops nothing else."""

    def __init__(self, lender: Lender, uploads: Uploads, times: PeerTimes, threads: int) -> None:
        self._lender = lender
        self._uploads = uploads
        self._times = times
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="mows-peer-give")

    def close(self) -> None:
        """End the threads. Nothing is given by then."""
        self._threads.shutdown()

    async def give(self, call: Inbound) -> None:
        """Answer one call. Raises PeerLacks, and PeerBusy at once when all slots are taken."""
        wanted = Fetch.decode(await call.request(self._times.handshake))
        async with self._lent(wanted.blob) as blob, _held(blob, wanted.chunk):
            digest = await self._off_loop(_digest, blob, wanted.chunk)
            span = blob.key.chunk_range(wanted.chunk)
            upload = self._uploads.try_begin(wanted.caller, len(span))
            if upload is None:
                raise PeerBusy("all slots are taken")
            with upload:
                await call.send(Head(digest, len(span)).encode(), self._times.chunk)
                await self._send(call, blob, span, upload)

    async def _send(self, call: Inbound, blob: LentBlob, span: ByteRange, upload: Upload) -> None:
        piece_bytes = min(PIECE_BYTES, self._uploads.slice_bytes or PIECE_BYTES)
        for start in range(span.start, span.stop, piece_bytes):
            size_bytes = min(piece_bytes, span.stop - start)
            await call.send(await self._off_loop(_read, blob, start, size_bytes, upload), self._times.chunk)
            upload.sent(size_bytes)

    @contextlib.asynccontextmanager
    async def _lent(self, blob_id: BlobId) -> AsyncIterator[LentBlob]:
        lending = self._threads.submit(self._lender.lend, blob_id)
        try:
            blob = await asyncio.shield(asyncio.wrap_future(lending))
        except asyncio.CancelledError:
            lending.add_done_callback(_give_back)
            raise
        if blob is None:
            raise PeerLacks(f"blob {blob_id} is not here")
        try:
            yield blob
        finally:
            blob.release()

    async def _off_loop(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """The result of `work`. When the call is cancelled, still only after `work` is done: it uses the blob."""
        future = self._threads.submit(work, *args, **kwargs)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            if not future.cancel():
                await asyncio.wait([asyncio.wrap_future(future)])
            raise


def _give_back(lending: Future[LentBlob | None]) -> None:
    """Whoever asked for the blob is gone."""
    blob = None if lending.cancelled() or lending.exception() else lending.result()
    if blob is not None:
        blob.release()


@contextlib.asynccontextmanager
async def _held(blob: LentBlob, chunk: int) -> AsyncIterator[None]:
    """`LentBlob.held`, among asynchronous ones."""
    with blob.held(chunk):
        yield


def _digest(blob: LentBlob, chunk: int) -> bytes:
    digest = blob.digest(chunk) if chunk < blob.key.chunk_count else None
    if digest is None:
        raise PeerLacks(f"chunk {chunk} of blob {blob.key.blob_id} is not here")
    return digest


def _read(blob: LentBlob, start: int, size_bytes: int, upload: Upload) -> bytes:
    """The next message, when the uplink has room for it."""
    upload.pace(size_bytes)
    try:
        data = os.pread(blob.fd, size_bytes, start)
    except OSError as error:
        log.warning("peer.fetch blob %s: reading at %d: %s", blob.key.blob_id, start, error)
        raise PeerLacks(f"blob {blob.key.blob_id} cannot be read") from error
    if len(data) < size_bytes:
        raise PeerLacks(f"blob {blob.key.blob_id} ends at {start + len(data)}")
    return encode_piece(data)
