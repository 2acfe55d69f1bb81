"""Waiting until something is ready. No I/O, see `mows.client.exchange`. The daemon may be restarted meanwhile."""

from __future__ import annotations

from mows.api import instance_models, models
from mows.client import calls
from mows.client.errors import WorkFailed
from mows.client.exchange import Conversation, Habits, until
from mows.mount_state import MountState, is_settled

WAIT_SECONDS = 600.0
"""Unless the caller says otherwise: a large model from a busy origin."""


def wait_ready(
    habits: Habits, instance_id: str, *, timeout_seconds: float = WAIT_SECONDS
) -> Conversation[instance_models.Instance]:
    """The instance once it is ready in the sense it was asked for. Blocks, or is awaited.

    Raises WorkFailed when it has failed, or can be read, but not be made warm; WaitTimeout after `timeout_seconds`.
    """

    def ready(instance: instance_models.Instance) -> bool:
        if not instance.ready and instance.error is not None:
            raise WorkFailed(f"instance {instance_id} is {instance.state}", instance.error.model_dump())
        return instance.ready

    return until(
        lambda seconds: calls.instance(instance_id, wait_seconds=seconds),
        ready,
        habits,
        what=f"instance {instance_id}",
        timeout_seconds=timeout_seconds,
    )


def wait_mount(habits: Habits, mount_id: str, *, timeout_seconds: float = WAIT_SECONDS) -> Conversation[models.Mount]:
    """The mount once it is mounted, or warm where that was asked for. Blocks, or is awaited.

    Raises WorkFailed when it has failed, or can be read, but not be made warm; WaitTimeout after `timeout_seconds`.
    """

    def settled(mount: models.Mount) -> bool:
        done = is_settled(mount.state, wants_warm=mount.warm, has_error=mount.error is not None)
        # A mount that needs not be warm has the error of its last refresh, and can be read all the same.
        if done and mount.error is not None and (mount.warm or mount.state is MountState.FAILED):
            raise WorkFailed(f"mount {mount_id} is {mount.state}", mount.error.model_dump())
        return done

    return until(
        lambda seconds: calls.mount(mount_id, wait_seconds=seconds),
        settled,
        habits,
        what=f"mount {mount_id}",
        timeout_seconds=timeout_seconds,
    )
