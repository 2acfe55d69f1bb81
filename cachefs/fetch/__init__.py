"""Gets missing chunks: what to fetch next, one flight per chunk, budgets, retries, parked reads.

Knows the store and the origin port only. From the outside in: `fetcher` is the face; `file` is an open file, whose
missing reads stand in `parked`; `scheduler` runs on the loop and starts what `planner`, `readahead`, `limiter` and
`retry` (all pure) decide; `fill` owns the threads that carry it out. `live` is what both sides know about one blob.
"""

from cachefs.fetch.fetcher import Fetcher
from cachefs.fetch.file import CachedFile
from cachefs.fetch.settings import FetchSettings
from cachefs.fetch.statistics import FetchStatistics, OriginLoad

__all__ = ["CachedFile", "FetchSettings", "FetchStatistics", "Fetcher", "OriginLoad"]
