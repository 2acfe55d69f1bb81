"""Get a connection onto a directory, and off it: mount(2) where we may, else fusermount3.

fusermount3 is the set-user-id helper of the fuse3 package. It opens ``/dev/fuse``, mounts, and passes the descriptor
over the socket that the environment variable ``_FUSE_COMMFD`` names.
"""

from __future__ import annotations

import ctypes
import errno
import logging
import os
import shutil
import socket
import subprocess
import threading
from concurrent.futures import Future
from pathlib import Path

from cachefs.errors import FuseUnavailable, MountError
from cachefs.fuse import abi
from cachefs.fuse.options import MountOptions

_log = logging.getLogger(__name__)

DEVICE = abi.DEVICE
HELPER = "fusermount3"
FUSE_CONF = Path("/etc/fuse.conf")
HELPER_SECONDS = 30.0
UNMOUNT_SECONDS = 20.0
"""Less than the daemon has to stop, so that it says what hangs."""

_MS_RDONLY, _MS_NOSUID, _MS_NODEV = 1, 2, 4
_MNT_DETACH = 2
_NO_RIGHT = frozenset({errno.EPERM, errno.EACCES})


def mount(target: Path, options: MountOptions) -> int:
    """Mount on `target`; the descriptor of the connection, which is the caller's. Raises MountError. Blocks.

    The kernel then waits for its INIT to be answered.
    """
    try:
        return _mount_directly(target, options)
    except OSError as error:
        if error.errno not in _NO_RIGHT:
            raise _explained(target, error) from error
    return _mount_by_helper(target, options)


def unmount(target: Path, timeout_seconds: float = UNMOUNT_SECONDS) -> None:
    """Take the mount out of the tree of directories; it ends when its last open file is closed. Raises MountError.

    Blocks for `timeout_seconds` at most: the kernel lets one mount or unmount wait for another, which can hang.
    """
    done: Future[None] = Future()
    threading.Thread(target=_detach, args=(target, done), name="mows-umount", daemon=True).start()
    try:
        done.result(timeout_seconds)
    except TimeoutError as error:
        hint = "look for mounts of this node that hang (NFS, for one); it is unmounted when the kernel gets to it"
        raise MountError(f"{target}: umount(2) did not return within {timeout_seconds:g} s", hint=hint) from error
    except OSError as error:
        if error.errno in {errno.EINVAL, errno.ENOENT}:
            return  # somebody else has unmounted it
        if error.errno not in _NO_RIGHT:
            raise MountError(f"{target}: cannot unmount: {error.strerror}") from error
        _run_helper("-u", "-z", "--", str(target))


def _detach(target: Path, done: Future[None]) -> None:
    try:
        _call("umount2", os.fsencode(target), _MNT_DETACH)
    except OSError as error:
        done.set_exception(error)
    else:
        done.set_result(None)


def _mount_directly(target: Path, options: MountOptions) -> int:
    fd = os.open(DEVICE, os.O_RDWR | os.O_CLOEXEC)
    data = ["rootmode=40000", f"user_id={os.getuid()}", f"group_id={os.getgid()}", f"fd={fd}"]
    try:
        _call(
            "mount",
            options.fs_name.encode(),
            os.fsencode(target),
            b"fuse.mows",
            _MS_RDONLY | _MS_NOSUID | _MS_NODEV,
            ",".join(data + _data_options(allow_other=options.allow_other)).encode(),
        )
    except BaseException:
        os.close(fd)
        raise
    return fd


def _data_options(*, allow_other: bool) -> list[str]:
    # default_permissions: the kernel checks the modes by itself instead of asking us.
    return ["default_permissions", f"max_read={abi.MAX_READ_BYTES}", *(["allow_other"] if allow_other else [])]


def _mount_by_helper(target: Path, options: MountOptions) -> int:
    allow_other = options.allow_other and (os.geteuid() == 0 or user_allow_other(_read(FUSE_CONF)))
    if options.allow_other and not allow_other:
        _log.info("%s: only this user can read the mount: %s lacks user_allow_other", target, FUSE_CONF)
    name = options.fs_name.replace("\\", "\\\\").replace(",", "\\,")
    settings = ["ro", "nosuid", "nodev", "subtype=mows", f"fsname={name}", *_data_options(allow_other=allow_other)]
    ours, theirs = socket.socketpair()
    with ours, theirs:
        _run_helper("-o", ",".join(settings), "--", str(target), pass_fd=theirs.fileno())
        ours.settimeout(HELPER_SECONDS)
        _, fds, _, _ = socket.recv_fds(ours, 1, 1)
    if not fds:
        raise MountError(f"{target}: {HELPER} sent no descriptor")
    os.set_inheritable(fds[0], False)  # noqa: FBT003 os names no keyword here
    return fds[0]


def _run_helper(*arguments: str, pass_fd: int | None = None) -> None:
    helper = shutil.which(HELPER)
    if helper is None:
        raise FuseUnavailable(f"no right to mount, and no {HELPER} in PATH")
    fds = () if pass_fd is None else (pass_fd,)
    environment = os.environ | ({} if pass_fd is None else {"_FUSE_COMMFD": str(pass_fd)})
    done = subprocess.run(  # noqa: S603 a fixed program; the target stands behind "--"
        [helper, *arguments], pass_fds=fds, env=environment, capture_output=True, timeout=HELPER_SECONDS, check=False
    )
    if done.returncode != 0:
        raise FuseUnavailable(done.stderr.decode(errors="replace").strip() or f"{HELPER} ended with {done.returncode}")


def user_allow_other(fuse_conf: str) -> bool:
    """Whether the text of /etc/fuse.conf lets users give `allow_other`."""
    return any(line.split("#")[0].strip() == "user_allow_other" for line in fuse_conf.splitlines())


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _explained(target: Path, error: OSError) -> MountError:
    if error.errno in {errno.ENOENT, errno.ENODEV, errno.ENXIO}:
        return FuseUnavailable(f"{target}: {DEVICE} or the file system type fuse is missing: {error.strerror}")
    return MountError(f"{target}: mount failed: {error.strerror}")


def _call(name: str, *arguments: bytes | int) -> None:
    """A function of libc that sets errno. Releases the GIL."""
    libc = ctypes.CDLL(None, use_errno=True)
    converted = [ctypes.c_ulong(value) if isinstance(value, int) else ctypes.c_char_p(value) for value in arguments]
    if getattr(libc, name)(*converted) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
