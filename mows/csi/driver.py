"""Puts the driver together. A part of the composition root."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator

from cachefs.fuse.target import MOUNTINFO
from mows import logs
from mows.api.services import Services
from mows.core import Core
from mows.csi.propagation import is_shared
from mows.csi.server import csi_serving
from mows.csi.service import DriverIdentity, IdentityService, NodeService
from mows.csi.volumes import Volumes

log = logging.getLogger(__name__)


@contextlib.asynccontextmanager
async def csi_driver(core: Core, services: Services) -> AsyncIterator[None]:
    """Serve the kubelet until the block ends; only with `csi.socket`. Raises ConfigError, DaemonRunning."""
    csi, who = core.config.csi, services.identity
    assert csi.socket is not None
    stopping = services.stopping.is_set
    identity = DriverIdentity(who.version, who.node, who.zone)
    volumes = Volumes(core.mounts, core.mounter, core.handed_keys, services.audit, csi.kubelet_dir, stopping=stopping)
    if not is_shared(MOUNTINFO.read_text(), csi.kubelet_dir):
        logs.warn(
            log,
            "what is mounted here does not reach the kubelet, if it runs outside this container: pods would find empty "
            "directories",
            path=str(csi.kubelet_dir),
            hint="mount csi.kubelet_dir into the container with mountPropagation: Bidirectional",
        )
    async with csi_serving(
        csi.socket,
        IdentityService(identity, services.check_ready, stopping),
        NodeService(identity, volumes, csi.sources),
    ):
        yield
