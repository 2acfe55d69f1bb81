"""INIT: the first request on a connection, in which both sides agree on a version and on features."""

from __future__ import annotations

import errno

from cachefs.errors import FuseUnavailable, MountError
from cachefs.fuse import abi, codec
from cachefs.fuse.abi import Opcode
from cachefs.fuse.codec import Agreement
from cachefs.fuse.device import Device, DeviceClosed

HANDSHAKE_SECONDS = 10.0


def shake_hands(device: Device, *, passthrough: bool) -> Agreement:
    """Answer INIT. Returns what the kernel agreed to. Raises MountError. Blocks up to 10 s."""
    buffer = memoryview(bytearray(abi.REQUEST_BYTES))
    with device.receiver() as receiver:
        while True:
            try:
                message = receiver.receive(buffer, HANDSHAKE_SECONDS)
            except DeviceClosed as error:
                raise MountError("the kernel ended the connection before the handshake") from error
            if message is None:
                raise MountError(f"the kernel sent no INIT within {HANDSHAKE_SECONDS:g} s")
            agreed = _answer(device, codec.decode(message), passthrough=passthrough)
            if agreed is not None:
                return agreed


def _answer(device: Device, request: codec.Request, *, passthrough: bool) -> Agreement | None:
    """None: the kernel is newer than this protocol, has been told so, and will ask again."""
    if request.opcode != Opcode.INIT:
        raise MountError(f"the kernel began with opcode {request.opcode} instead of INIT")
    offer = codec.decode_init(request.body)
    if (offer.major, offer.minor) < (abi.KERNEL_MAJOR, abi.OLDEST_MINOR):
        device.send(codec.encode_error(request.unique, errno.EPROTO))
        raise FuseUnavailable(
            f"this kernel speaks FUSE {offer.major}.{offer.minor}, older than {abi.KERNEL_MAJOR}.{abi.OLDEST_MINOR}",
            hint="use Linux 5.4 or later",
        )
    body, agreed = codec.negotiate(offer, passthrough=passthrough)
    device.send(codec.encode_header(request.unique, len(body)), body)
    return agreed if offer.major == abi.KERNEL_MAJOR else None
