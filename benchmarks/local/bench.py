"""What the measures share: one origin with one object, one model and many small files, and daemons to mount them."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.model import Model, write_model
from benchmarks.node.daemon import Daemon, DaemonSettings
from benchmarks.node.oss import BUCKET, OssProcess
from benchmarks.node.resources import Resources
from benchmarks.node.scratch import remove, scratch

BLOCK_BYTES = 4 * 1024 * 1024
SPARE_BYTES = 256 * 1024**2
COPIES = 5
"""How much is stored at a time, at most: object and model at the origin, and the object in three caches."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured."""

    size_bytes: int
    """Of the object, and of the model."""
    repeats: int
    objects: int
    """In the directory of many small ones."""
    served_bytes: int
    """How much a daemon serves before its memory is looked at."""


QUICK = Scale(size_bytes=64 * 1024**2, repeats=2, objects=500, served_bytes=10**9)
FULL = Scale(size_bytes=2 * 1024**3, repeats=5, objects=10_000, served_bytes=10**11)


@dataclass(frozen=True, slots=True)
class Bench:
    """Everything that is running, owned by `resources`."""

    resources: Resources
    scale: Scale
    root: Path
    server: OssProcess
    object_source: str
    object_name: str
    model: Model
    model_source: str
    small_source: str
    small_names: tuple[str, ...]

    @contextmanager
    def daemon(self, name: str, passthrough: Literal["auto", "off"] = "auto") -> Iterator[Daemon]:
        """A new daemon with an empty cache, ready; stopped afterwards, and its cache removed."""
        capacity_bytes = self.scale.size_bytes * 2 + SPARE_BYTES
        # `touch_memory` undoes what speaks against huge pages in a virtual machine.
        settings = DaemonSettings(self.root / name, capacity_bytes, self.server.origin(), passthrough, huge_pages="on")
        daemon = self.resources.enter(Daemon(settings))
        daemon.wait_ready()
        yield daemon
        daemon.stop()
        remove(settings.directory)

    @property
    def object_url(self) -> str:
        """Where everybody can download the object."""
        return f"{self.server.endpoint}/{BUCKET}/object/{self.object_name}"


@contextmanager
def mounted(daemon: Daemon, source: str) -> Iterator[Path]:
    """`source`, mounted. Its page cache goes with the mount; what the daemon has of it stays."""
    name = source.rstrip("/").rpartition("/")[2]
    target = daemon.mount(name, source)
    try:
        yield target
    finally:
        daemon.unmount(name)


@contextmanager
def mounted_cold(daemon: Daemon, source: str) -> Iterator[Path]:
    """`source`, mounted, with nothing of it in the cache before or after."""
    daemon.evict(source)
    with mounted(daemon, source) as target:
        yield target
    daemon.evict(source)


def data_file(daemon: Daemon, path: Path) -> Path:
    """The file in the daemon's tier that holds the bytes of the mounted file `path`."""
    blob_id = os.getxattr(path, "user.mows.blob").decode()
    return daemon.tier / "blobs" / blob_id[:2] / blob_id / "data"


def prepare(resources: Resources, scale: Scale) -> Bench:
    """Start the origin and fill it. Takes about 5 s a GiB."""
    root = resources.enter(scratch(COPIES * scale.size_bytes + SPARE_BYTES, prefix="mows-bench-"))
    server = resources.enter(OssProcess(root / "oss", anonymous=True))
    server.wait_ready()
    write_random(root / "object" / "object.bin", scale.size_bytes)
    small = write_small(root / "small", scale.objects)
    model = write_model(root / "model", size_bytes=scale.size_bytes, shards=8)
    return Bench(
        resources,
        scale,
        root,
        server,
        object_source=server.put_tree("object", root / "object"),
        object_name="object.bin",
        model=model,
        model_source=server.put_tree("model", model.directory),
        small_source=server.put_tree("small", root / "small"),
        small_names=small,
    )


def write_random(path: Path, size_bytes: int) -> None:
    """A file of random bytes."""
    path.parent.mkdir(parents=True)
    source = random.Random(0)
    with open(path, "wb") as file:
        starts = range(0, size_bytes, BLOCK_BYTES)
        file.writelines(source.randbytes(min(BLOCK_BYTES, size_bytes - start)) for start in starts)


def write_small(directory: Path, count: int) -> tuple[str, ...]:
    """So many small files; their names."""
    directory.mkdir()
    names = tuple(f"{number:06}.json" for number in range(count))
    for name in names:
        (directory / name).write_text(f'{{"name": "{name}"}}\n')
    return names
