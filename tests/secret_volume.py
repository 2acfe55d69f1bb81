"""A directory as Kubernetes mounts a secret: files are links through ``..data``, which is turned to a new directory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


class SecretVolume:
    """At `root`, which is made. `put` replaces all files at the same moment."""

    def __init__(self, root: Path, files: Mapping[str, bytes]) -> None:
        root.mkdir()
        self._root = root
        self._generation = 0
        self.put(files)
        for name in files:
            (root / name).symlink_to(f"..data/{name}")

    def path(self, name: str) -> Path:
        """What a configuration names."""
        return self._root / name

    def put(self, files: Mapping[str, bytes]) -> None:
        """The next version of the secret."""
        self._generation += 1
        fresh = self._root / f"..{self._generation}"
        fresh.mkdir()
        for name, content in files.items():
            (fresh / name).write_bytes(content)
        link = self._root / "..data_tmp"
        link.symlink_to(fresh.name)
        link.replace(self._root / "..data")
