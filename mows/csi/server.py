"""The driver's socket, and the border where an error becomes a status."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import grpc
import grpc.aio
from google.protobuf.message import Message

from mows import logs
from mows.csi import csi_pb2 as pb
from mows.csi.service import IdentityService, NodeService
from mows.csi.status import details_of, status_of
from mows.errors import ConfigError
from mows.sockets import remove_dead

log = logging.getLogger(__name__)

SOCKET_MODE = 0o600
"""The kubelet is root. Whoever may write to the socket may mount into any pod of the node."""

MOST_CALLS = 64
STOP_SECONDS = 2.0
"""For calls in progress: those that wait for a mount end with it."""

IDENTITY, NODE = "csi.v1.Identity", "csi.v1.Node"


Request = TypeVar("Request", bound=Message)
Answer = TypeVar("Answer", bound=Message)
Context = grpc.aio.ServicerContext[Request, Answer]
Handle = Callable[[Request, float | None], Awaitable[Answer]]
"""A request, and the seconds that the caller still waits; None: for ever."""


@contextlib.asynccontextmanager
async def csi_serving(path: Path, identity: IdentityService, node: NodeService) -> AsyncIterator[None]:
    """Answer at `path` until the block ends. Raises DaemonRunning, ConfigError."""
    server = grpc.aio.server(
        handlers=[_identity_methods(identity), _node_methods(node)],
        maximum_concurrent_rpcs=MOST_CALLS,
    )
    _bind(server, path)
    await server.start()
    logs.event(log, "CSI driver started", socket=path)
    try:
        yield
    finally:
        await server.stop(STOP_SECONDS)
        _remove(path)


def _bind(server: grpc.aio.Server, path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_dead(path, "csi.socket")
        server.add_insecure_port(f"unix:{path}")
        path.chmod(SOCKET_MODE)  # nobody is answered before the start
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"csi.socket: {path}: {reason}", hint="name a path that the daemon can make") from error


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


def _identity_methods(identity: IdentityService) -> grpc.GenericRpcHandler:
    return grpc.method_handlers_generic_handler(
        IDENTITY,
        {
            "GetPluginInfo": _method(identity.get_plugin_info, pb.GetPluginInfoRequest),
            "GetPluginCapabilities": _method(identity.get_plugin_capabilities, pb.GetPluginCapabilitiesRequest),
            "Probe": _method(identity.probe, pb.ProbeRequest),
        },
    )


def _node_methods(node: NodeService) -> grpc.GenericRpcHandler:
    return grpc.method_handlers_generic_handler(
        NODE,
        {
            "NodeGetInfo": _method(node.get_info, pb.NodeGetInfoRequest),
            "NodeGetCapabilities": _method(node.get_capabilities, pb.NodeGetCapabilitiesRequest),
            "NodePublishVolume": _method(node.publish, pb.NodePublishVolumeRequest),
            "NodeUnpublishVolume": _method(node.unpublish, pb.NodeUnpublishVolumeRequest),
            "NodeGetVolumeStats": _method(node.get_stats, pb.NodeGetVolumeStatsRequest),
        },
    )


def _method(handle: Handle[Request, Answer], request_type: type[Request]) -> grpc.RpcMethodHandler[Request, Answer]:
    name = request_type.__name__.removesuffix("Request")

    async def answer(request: Request, context: Context[Request, Answer]) -> Answer:
        volume = getattr(request, "volume_id", "")
        with logs.bound(**({"volume": volume} if volume else {})):  # the lines of the mount have it, too
            try:
                return await handle(request, context.time_remaining())
            except Exception as error:  # noqa: BLE001 the border: logged, and told to the kubelet
                logs.failure(log, f"csi {name}", error)
                await context.abort(status_of(error), details_of(error))

    return grpc.unary_unary_rpc_method_handler(
        answer, request_type.FromString, lambda message: message.SerializeToString()
    )
