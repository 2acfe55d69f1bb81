"""The fastest ways to download one object that others offer: obstore with parallel ranges, and aria2."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from obstore import get_range
from obstore.store import HTTPStore

from benchmarks.local.measure import GIGABYTE
from benchmarks.local.rivals import tool

RANGE_BYTES = 8 * 1024 * 1024
THREADS = 8
ARIA2_CONNECTIONS = 16
"""The most aria2 opens to one server."""

Download = Callable[[str, int, Path], float]
"""(URL, size in bytes, target file, which must not exist) -> GB/s."""


def with_obstore(url: str, size_bytes: int, target: Path) -> float:
    """Ranges of 8 MiB by 8 threads, each written where it belongs. GB/s."""
    base, _, name = url.rpartition("/")
    began = time.perf_counter()
    store = HTTPStore.from_url(base, client_options={"allow_http": True})
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)

    def fetch(start: int) -> None:
        os.pwrite(descriptor, get_range(store, name, start=start, end=min(start + RANGE_BYTES, size_bytes)), start)

    try:
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(fetch, range(0, size_bytes, RANGE_BYTES)))
    finally:
        os.close(descriptor)
    return size_bytes / GIGABYTE / (time.perf_counter() - began)


def with_aria2(url: str, size_bytes: int, target: Path) -> float:
    """16 connections, the program's own start included: some 10 ms. GB/s."""
    split = [f"-x{ARIA2_CONNECTIONS}", f"-s{ARIA2_CONNECTIONS}", "-k1M", "--file-allocation=none"]
    target_options = [f"--dir={target.parent}", f"--out={target.name}"]
    command = [str(tool("aria2c")), "--quiet", "--no-conf", *split, *target_options, url]
    began = time.perf_counter()
    subprocess.run(command, check=True)
    return size_bytes / GIGABYTE / (time.perf_counter() - began)
