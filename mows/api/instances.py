"""``/v1/instances``."""

from __future__ import annotations

import asyncio
from http import HTTPStatus

from fastapi import APIRouter, Response

from cachefs.errors import MountError, SourceError
from mows.api import convert
from mows.api import instance_models as models
from mows.api.mounts import UNMOUNT_WAIT_SECONDS, Wait
from mows.api.openapi import Name, fails_with
from mows.api.services import Services
from mows.eas import Wishes, translate
from mows.errors import (
    InstanceConflict,
    InstanceNotFound,
    InvalidRequest,
    InvalidStorage,
    MountConflict,
    MountPathInUse,
    PodNotFound,
    ProcessNotFound,
    SourceNotAllowed,
    TargetNotAllowed,
)
from mows.instance import Instance, InstanceStatus, MountFailure
from mows.instance_choices import ReadyWhen
from mows.instance_spec import InstanceSpec
from mows.instance_state import InstanceState
from mows.instances import Instances

_REFUSALS = fails_with(
    InvalidStorage,
    SourceError,
    SourceNotAllowed,
    TargetNotAllowed,
    MountError,
    MountConflict,
    MountPathInUse,
    InstanceConflict,
    PodNotFound,
    ProcessNotFound,
    body=True,
)


def router(services: Services) -> APIRouter:
    """The routes of one daemon."""
    routes = APIRouter(prefix="/instances", tags=["instances"])
    instances = services.instances

    @routes.get("", responses=fails_with())
    async def list_instances() -> models.InstanceList:
        """All instances, failed ones too."""
        documents = await asyncio.gather(*(_document(instances, instance) for instance in instances.all()))
        return models.InstanceList(instances=documents)

    @routes.put("/{instance_id}", responses={201: {"model": models.Instance, "description": "Begun now"}, **_REFUSALS})
    async def put_instance(
        instance_id: Name, body: models.InstanceRequest, response: Response, wait: Wait = 0.0
    ) -> models.Instance:
        """Mount everything that the `storage` of a service names, or nothing of it.

        201 when it begins now; 200 when it was there already, asked for in the same way, and its lease is renewed. The
        answer comes at once with the state reached so far, or, with `wait`, when it is ready or has failed. A failed
        instance is not live: any body begins it anew.

        An instance that cannot be made warm for lack of room is not taken down, since it can be read: it stays
        `mounting` with the error `no_space`.
        """
        instance, created = await instances.put(instance_id, _spec(instance_id, body, instances))
        response.status_code = HTTPStatus.CREATED if created else HTTPStatus.OK
        await instance.settled(wait)
        return await _document(instances, instance)

    @routes.get("/{instance_id}", responses=fails_with(InstanceNotFound, InvalidRequest))
    async def get_instance(instance_id: str, wait: Wait = 0.0) -> models.Instance:
        """One instance; with `wait`, as soon as it is ready or has failed."""
        instance = instances.get(instance_id)
        await instance.settled(wait)
        return await _document(instances, instance)

    @routes.delete(
        "/{instance_id}",
        status_code=HTTPStatus.NO_CONTENT,
        responses={202: {"description": "Not gone yet"}, **fails_with(InvalidRequest)},
    )
    async def delete_instance(instance_id: str, wait: Wait = UNMOUNT_WAIT_SECONDS) -> Response:
        """Unmount everything. 204: it is gone, or never was. 202: open files still keep it after `wait`."""
        gone = await instances.delete(instance_id, wait_seconds=wait)
        return Response(status_code=HTTPStatus.NO_CONTENT if gone else HTTPStatus.ACCEPTED)

    return routes


def _spec(instance_id: str, body: models.InstanceRequest, instances: Instances) -> InstanceSpec:
    options = body.mows
    root = str(instances.storage.root / instance_id) if options.root is None else options.root
    wishes = Wishes(root, options.ready is ReadyWhen.WARM, options.writable)
    plan = translate(body.storage, wishes, instances.storage.endpoint_of)
    return InstanceSpec(
        mounts=plan.mounts,
        ignored=plan.ignored,
        root=root,
        own_root=options.root is None,
        ready_when=options.ready,
        lease_seconds=options.lease,
        process=options.process,
        pod=options.pod,
        name=body.name,
    )


async def _document(instances: Instances, instance: Instance) -> models.Instance:
    status = await instance.status()
    spec = status.spec
    return models.Instance(
        id=status.instance_id,
        name=spec.name,
        state=status.state,
        ready=status.state is InstanceState.READY,
        eta_seconds=status.eta_seconds,
        lease_until=convert.moment(instances.lease_until(status.instance_id)),
        process=spec.process,
        pod=spec.pod,
        root=spec.root,
        mounts=_mounts(status),
        ignored=[
            models.IgnoredStorage(mount_path=row.mount_path, kind=row.kind, reason=row.reason) for row in spec.ignored
        ],
        error=_failure(status.failure),
    )


def _mounts(status: InstanceStatus) -> list[models.InstanceMount]:
    return [
        models.InstanceMount(**dict(convert.mount(mount)), storage_path=planned.storage_path)
        for planned, mount in status.mounts
    ]


def _failure(failure: MountFailure | None) -> models.InstanceFailure | None:
    if failure is None:
        return None
    found = convert.failure(failure.error)
    assert found is not None
    return models.InstanceFailure(**dict(found), storage_path=failure.planned.storage_path)
