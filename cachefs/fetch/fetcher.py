"""The public face: opens files, warms objects, and owns everything that fetching needs."""

from __future__ import annotations

import asyncio
import logging
import random
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from cachefs.errors import Interrupted
from cachefs.fetch.aftermath import Aftermath
from cachefs.fetch.failures import Notices
from cachefs.fetch.file import CachedFile, Following
from cachefs.fetch.fill import FillThreads
from cachefs.fetch.live import LiveBlob, LiveBlobs
from cachefs.fetch.overflow import Overflow
from cachefs.fetch.pace import Pace
from cachefs.fetch.scheduler import Scheduler
from cachefs.fetch.settings import FetchSettings
from cachefs.fetch.shared import SharedBlobs
from cachefs.fetch.span import Account, Client
from cachefs.fetch.statistics import Counters, FetchStatistics
from cachefs.fetch.waiting import waiting
from cachefs.fetch.warm import Warm
from cachefs.operations import Operations
from cachefs.ports import Origin
from cachefs.sharing import Exchange
from cachefs.store import Store
from cachefs.types import BlobId, BlobKey, ObjectInfo, Priority

log = logging.getLogger(__name__)

FOLLOW_SHARE = 2
"""Of the largest tier, what may be read ahead of one reader in the files after its own. What is read ahead is nobody's
once it is complete; more of it, and it is evicted for what is read ahead next, before anybody reads it."""

OPEN_SECONDS = 5.0
"""An open touches a few files of the cache. A disk that takes longer is in trouble."""


class Fetcher:
    """Gets missing chunks into the store, each once, whoever wants it.

    An async context manager, bound to the loop it is created on. Leaving it fails what waits with EIO and joins the
    fill threads; files that are still open go on giving what is resident, until they are closed.
    """

    def __init__(
        self,
        store: Store,
        settings: FetchSettings | None = None,
        *,
        exchange: Exchange | None = None,
        operations: Operations | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """`exchange` is where other nodes' chunks can be had; it outlives the fetcher. `jitter` is uniform in [0, 1).

        What may take long is written down in `operations`.
        Raises ValueError when the memory budget is too small for the chunks.
        """
        self._settings = settings or FetchSettings()
        self._settings.check_chunk_bytes(store.chunk_bytes)
        self._store = store
        self._operations = operations or Operations()
        self._counters = Counters()
        notices = Notices()
        self._overflow = Overflow(self._settings.memory_bytes // 2)
        shared = SharedBlobs(exchange)
        self._lives = LiveBlobs(store, self._overflow, self._counters, notices)
        self._threads = FillThreads(2 * self._settings.max_concurrency)
        aftermath = Aftermath(self._settings, self._counters, notices, shared)
        self._scheduler = Scheduler(
            self._lives,
            self._threads,
            aftermath,
            shared,
            self._settings,
            follow_bytes=min(self._settings.read_ahead_bytes, store.largest_tier_bytes // FOLLOW_SHARE),
            memory_window_bytes=self._overflow.capacity_bytes // 2,
            operations=self._operations,
            jitter=jitter,
        )
        self._operations.include(lambda: waiting(list(self._scheduler.active.values())))
        self._stopped = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Stop. Idempotent. A fill thread whose source does not even end at its deadline is left behind, and logged."""
        if self._stopped:
            return
        self._stopped = True
        self._scheduler.stop()
        left = await self._join()
        if left:
            log.error("%d fill threads did not end within %g s", left, self._settings.stop_seconds)

    # ------------------------------------------------- called on any thread

    def blob_id(self, info: ObjectInfo) -> BlobId:
        """The blob that caches this object, whether it exists yet or not."""
        return BlobKey.of(info, self._store.chunk_bytes).blob_id

    def resident_bytes(self, info: ObjectInfo) -> int:
        """Bytes of this object in the cache now."""
        status = self._store.find(info)
        return status.resident_bytes if status else 0

    def open(
        self, info: ObjectInfo, origin: Origin, *, account: Account, following: Following = tuple, mount: str = ""
    ) -> CachedFile:
        """Open an object for reading. Touches the store's files, never the network.

        `account(source, bytes)` is called on a fill thread for every chunk that is fetched on behalf of this file.
        `following()` gives the objects that an engine reads after this one; it is called at most once, on a fill
        thread. A blob that the store refuses can be opened all the same: its reads go straight through. `mount` is
        named in the log.
        """
        with self._operations.watched(
            "open", OPEN_SECONDS, mount=mount, path=info.uri, waits_for="the files of the cache"
        ):
            live = self._lives.hold(info, origin.authority)
        client = Client(origin, self._counted(account), mount)
        return CachedFile(live, client, following, self._scheduler, self._settings)

    def statistics(self) -> FetchStatistics:
        """Counts of one moment, or nearly: what runs meanwhile may show in one and not in another."""
        sums, wait_seconds = self._counters.snapshot()
        lives = list(self._scheduler.active.values())
        prefix = "bytes_from_"
        return FetchStatistics(
            bytes_by_source={k.removeprefix(prefix): v for k, v in sums.items() if k.startswith(prefix)},
            waits=sums.get("waits", 0),
            wait_seconds=wait_seconds,
            failed_reads=sums.get("failed_reads", 0),
            retries=sums.get("retries", 0),
            peer_failures=sums.get("peer_failures", 0),
            throttles=sums.get("throttles", 0),
            store_faults=sums.get("store_faults", 0),
            corrupt_objects=sums.get("corrupt_objects", 0),
            overflow_hits=sums.get("overflow_hits", 0),
            parked_reads=sum(len(live.lot.reads()) for live in lives),
            spans_in_flight=len(self._scheduler.launcher.spans),
            chunks_queued=sum(live.flights.startable() for live in lives),
            in_flight_memory_bytes=self._scheduler.launcher.in_flight_memory_bytes(),
            overflow_bytes=self._overflow.used_bytes,
            origins={lane.authority: lane.load() for lane in list(self._scheduler.launcher.lanes.values())},
        )

    # ----------------------------------------------------------- on the loop

    async def warm(
        self,
        info: ObjectInfo,
        origin: Origin,
        *,
        account: Account,
        priority: Priority = Priority.PREWARM,
        pace: Pace | None = None,
    ) -> None:
        """Return when every byte of `info` is in the store and checked. `pace` holds back requests to the origin.

        Shares flights with readers and other warm-ups; may be cancelled without harm to them. Raises the error that no
        retry would mend: OriginError, StoreError (there is no room), DeadlineExceeded (nothing arrived for
        `warm_stall_seconds`), Interrupted (the fetcher stops).
        """
        live = await self._hold(info, origin)
        try:
            if live.refusal is not None:
                raise live.refusal
            await self._complete(live, Client(origin, self._counted(account), pace=pace), priority)
        finally:
            self._lives.drop(live)

    async def _complete(self, live: LiveBlob, client: Client, priority: Priority) -> None:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        warm = Warm(live, client, priority, done, self._settings.warm_stall_seconds)
        self._scheduler.add_warm(warm)
        try:
            await done
        finally:
            self._scheduler.remove_warm(warm)

    async def _hold(self, info: ObjectInfo, origin: Origin) -> LiveBlob:
        """Take hold of a blob on a fill thread, because the store's files are touched."""
        held: asyncio.Future[LiveBlob] = asyncio.get_running_loop().create_future()
        if not self._threads.submit(lambda: self._hold_for(held, info, origin)):
            raise Interrupted(f"{info.uri}: the daemon is stopping")
        return await held

    def _hold_for(self, held: asyncio.Future[LiveBlob], info: ObjectInfo, origin: Origin) -> None:
        """On a fill thread."""
        live: LiveBlob | Exception
        try:
            live = self._lives.hold(info, origin.authority)
        except Exception as error:  # noqa: BLE001 - whoever waits must hear of it
            live = error
        if not self._scheduler.post(self._deliver, held, live) and isinstance(live, LiveBlob):
            self._lives.drop(live)

    def _deliver(self, held: asyncio.Future[LiveBlob], live: LiveBlob | Exception) -> None:
        if held.cancelled():
            if isinstance(live, LiveBlob):
                self._lives.drop(live)
        elif isinstance(live, LiveBlob):
            held.set_result(live)
        else:
            held.set_exception(live)

    async def _join(self) -> int:
        """Join the fill threads without stopping the loop: they report to it until they end."""
        joined: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        seconds = self._settings.stop_seconds
        joiner = threading.Thread(
            target=lambda: self._scheduler.post(joined.set_result, self._threads.stop(seconds)), name="mows-fill-join"
        )
        joiner.start()
        left = await asyncio.shield(joined)
        joiner.join()
        return left

    def _counted(self, account: Account) -> Account:
        def count(source: str, nbytes: int) -> None:
            self._counters.add(f"bytes_from_{source}", nbytes)
            account(source, nbytes)

        return count
