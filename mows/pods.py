"""Pods of this node, as the kubelet's own directory tells of them.

``<kubelet_dir>/pods/<uid>`` is made before the containers of a pod are started, and removed within seconds after the
pod was deleted and its volumes are gone. A look at it needs neither the API server nor a right there, and is true also
while the node is cut off from it.
"""

from __future__ import annotations

from pathlib import Path

from mows.errors import PodNotFound

LOOK_SECONDS = 2.0
"""As often as the kubelet itself cleans up after pods (its housekeeping period)."""


class Pods:
    """All methods block, for as long as the disk of the kubelet's directory does."""

    def __init__(self, kubelet_dir: Path) -> None:
        self._directory = kubelet_dir / "pods"

    def check(self, uid: str) -> None:
        """Raises PodNotFound."""
        try:
            (self._directory / uid).stat()
        except OSError as error:
            raise PodNotFound(f"pod {uid}: {self._directory / uid}: {error.strerror}") from None

    def is_gone(self, uid: str) -> bool:
        """False also when nothing can be seen: a directory that is not mounted says nothing about a pod."""
        try:
            (self._directory / uid).stat()
        except FileNotFoundError:
            return self._directory.is_dir()
        except OSError:
            return False
        return False
