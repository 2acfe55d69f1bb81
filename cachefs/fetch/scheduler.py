"""The loop's part: knows who wants what, and when to look again.

Everything here runs on one event loop, except the methods that say so. A pump looks at all wishes and has `launcher`
start what there is room for; it runs after everything that can change the answer, at most once per turn of the loop.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable

from cachefs.errors import CacheError, DeadlineExceeded, Interrupted
from cachefs.fetch.aftermath import Aftermath
from cachefs.fetch.file import CachedFile, Followed
from cachefs.fetch.fill import FillThreads
from cachefs.fetch.following import find_followed, should_ask
from cachefs.fetch.launcher import Launcher
from cachefs.fetch.live import LiveBlob, LiveBlobs
from cachefs.fetch.settings import FetchSettings
from cachefs.fetch.shared import SharedBlobs
from cachefs.fetch.warm import Warm
from cachefs.operations import Operations
from cachefs.types import BlobId

LOADING_SECONDS = 10.0
"""An engine goes on with the next shard sooner than that: in between it copies tensors to the GPU."""

MOST_MODELS = 256


class Scheduler:
    """Implements `cachefs.fetch.file.Attention`."""

    def __init__(
        self,
        lives: LiveBlobs,
        threads: FillThreads,
        aftermath: Aftermath,
        shared: SharedBlobs,
        settings: FetchSettings,
        *,
        follow_bytes: int,
        memory_window_bytes: int,
        operations: Operations,
        jitter: Callable[[], float],
    ) -> None:
        self.active: dict[BlobId, LiveBlob] = {}
        """Those that somebody reads, waits for or warms; each is held once for being here."""
        self._lives = lives
        self._threads = threads
        self._settings = settings
        self._follow_bytes = follow_bytes
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._pump_due = False
        self._stopping = False
        self._loaded_at: dict[str, float] = {}
        self.launcher = Launcher(
            lives,
            threads,
            aftermath,
            shared,
            settings,
            memory_window_bytes=memory_window_bytes,
            operations=operations,
            jitter=jitter,
            post=self.post,
            changed=self._pump_soon,
        )
        shared.attach(self._pump_soon)

    # ------------------------------------------------- called on any thread

    def stir(self, file: CachedFile) -> None:
        """See `Attention.stir`. The blob is held for the loop, because the file may be closed before it looks."""
        self._lives.share(file.live)
        if not self.post(self._stirred, file):
            self._lives.drop(file.live)

    def closed(self, file: CachedFile) -> None:
        """See `Attention.closed`. Its own reference goes at once: that works without the loop, too."""
        self.post(self._file_closed, file)
        self._lives.drop(file.live)

    def loading(self, model: str) -> bool:
        """See `Attention.loading`."""
        return time.monotonic() - self._loaded_at.get(model, float("-inf")) < LOADING_SECONDS

    def loads(self, model: str) -> None:
        """See `Attention.loads`. A plain assignment: the last one wins, whichever thread it comes from."""
        if len(self._loaded_at) >= MOST_MODELS:
            self._loaded_at = {}
        self._loaded_at[model] = time.monotonic()

    def post(self, call: Callable[..., None], *arguments: object) -> bool:
        """Run `call` on the loop. False when there is no loop any more."""
        try:
            self._loop.call_soon_threadsafe(call, *arguments)
        except RuntimeError:  # closed
            return False
        return True

    # ----------------------------------------------------------- on the loop

    def add_warm(self, warm: Warm) -> None:
        """Begin a warm-up."""
        warm.live.warms.append(warm)
        if self._stopping:
            warm.fail(_stopping(warm.live))
            return
        warm.progressed(self._loop.time())
        warm.live.bypassed_until = 0.0  # it has no use for chunks in memory: let the store say no again
        warm.live.look_again = True
        self._lives.share(warm.live)
        self._activate(warm.live)

    def remove_warm(self, warm: Warm) -> None:
        """End it, complete or not."""
        warm.live.warms.remove(warm)
        self._retire(warm.live)
        self._pump_soon()

    def stop(self) -> None:
        """Start nothing more, end what runs at its next piece, fail all who wait."""
        self._stopping = True
        if self._timer:
            self._timer.cancel()
        self.launcher.stop()
        self._lives.close()
        for live in tuple(self.active.values()):
            for warm in live.warms:
                warm.fail(_stopping(live))
            for file in live.files:
                self._unfollow(file)
            self._deactivate(live)

    def _stirred(self, file: CachedFile) -> None:
        if not file.open or self._stopping:
            self._lives.drop(file.live)
            return
        file.live.files.add(file)
        self._activate(file.live)

    def _file_closed(self, file: CachedFile) -> None:
        file.live.files.discard(file)
        self._unfollow(file)
        self._retire(file.live)
        self._pump_soon()

    def _activate(self, live: LiveBlob) -> None:
        """Look after `live` from now on. Takes over a reference of the caller's."""
        if live.blob_id in self.active:
            self._lives.drop(live)
        self.active[live.blob_id] = live
        self._pump_soon()

    def _retire(self, live: LiveBlob) -> None:
        """Let go of `live` if nobody needs it looked after any more."""
        if live.blob_id in self.active and not (live.files or live.warms or live.lot.reads()):
            self._deactivate(live)

    def _deactivate(self, live: LiveBlob) -> None:
        del self.active[live.blob_id]
        self._lives.drop(live)

    def _pump_soon(self) -> None:
        if not self._pump_due and not self._stopping:
            self._pump_due = True
            self._loop.call_soon(self._pump)

    def _pump(self) -> None:
        self._pump_due = False
        if self._stopping:
            return
        now = self._loop.time()
        for live in list(self.active.values()):
            self._look_after(live, now)
        lives = self._wanted()
        self.launcher.start(lives, now)
        self._arm(lives, now)

    def _look_after(self, live: LiveBlob, now: float) -> None:
        """What time or a change in the store brings about."""
        self._end_pauses(live, now)
        for read in live.lot.take_expired(now):
            live.fail(read, self._late(live))
        for read in live.lot.reads():
            for chunk in live.key.chunks_of(read.span):
                live.flights.want(chunk)
        for warm in live.warms:
            warm.check(now)
        for file in tuple(live.files):
            self._look_after_file(file, now)
        self._retire(live)

    def _end_pauses(self, live: LiveBlob, now: float) -> None:
        live.flights.resume(now)
        if 0.0 < live.bypassed_until <= now:
            live.bypassed_until = 0.0
            live.look_again = True
        if live.look_again:
            live.look_again = False
            live.flights.want_all()
        elif live.warms and live.flights.quiet:  # incomplete for a reason that was not told: look
            live.flights.want_all()

    def _look_after_file(self, file: CachedFile, now: float) -> None:
        if should_ask(file, shared=self.launcher.shared):
            file.asked = True
            self._threads.submit(lambda: self._find_followed(file))
        for followed in tuple(file.followed):
            self._end_pauses(followed.live, now)
            if followed.live.sealed:
                file.followed.remove(followed)
                self._lives.drop(followed.live)
        if file.live.sealed and (file.asked or not file.weights):
            file.hungry = False

    def _find_followed(self, file: CachedFile) -> None:
        """On a fill thread."""
        found = find_followed(file, self._lives, self._follow_bytes)
        if not self.post(self._follow, file, found):
            self._drop(found)

    def _follow(self, file: CachedFile, found: list[Followed]) -> None:
        if file.open and not self._stopping:
            file.followed = found
            self._pump_soon()
        else:
            self._drop(found)

    def _unfollow(self, file: CachedFile) -> None:
        self._drop(file.followed)
        file.followed = []

    def _drop(self, followed: Iterable[Followed]) -> None:
        for one in followed:
            self._lives.drop(one.live)

    def _wanted(self) -> list[LiveBlob]:
        """The active blobs, and those that are read ahead for them."""
        lives = dict(self.active)
        for live in self.active.values():
            for file in live.files:
                lives.update((followed.live.blob_id, followed.live) for followed in file.followed)
        return list(lives.values())

    def _late(self, live: LiveBlob) -> CacheError:
        reason = f"; the last failure was: {live.last_error}" if live.last_error else ""
        return DeadlineExceeded(f"no data within {self._settings.read_deadline_seconds:g} s{reason}")

    def _arm(self, lives: Iterable[LiveBlob], now: float) -> None:
        """Pump again when the first of all pauses and deadlines is over."""
        if self._timer:
            self._timer.cancel()
        moments = [moment for live in lives for moment in _moments(live)]
        moments += self.launcher.next_change(now)
        at = min((moment for moment in moments if moment > now), default=None)
        self._timer = self._loop.call_at(at, self._pump_soon) if at else None


def _stopping(live: LiveBlob) -> CacheError:
    return Interrupted(f"{live.info.uri}: the daemon is stopping")


def _moments(live: LiveBlob) -> list[float]:
    """When something about `live` changes by itself."""
    moments = [read.expires_at for read in live.lot.reads()]
    moments += [warm.stalls_at for warm in live.warms]
    moments += [warm.client.pace.opens_at() for warm in live.warms if warm.client.pace]
    resume = live.flights.next_resume()
    return [*moments, live.bypassed_until, *([] if resume is None else [resume])]
