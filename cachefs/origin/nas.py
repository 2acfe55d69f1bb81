"""``nas://server/export/path``: mounted read-only by the host's NFS client, below the daemon's state directory.

One mount serves all origins of one export, in this process and in others with the same state directory: each user holds
a shared lock on the file beside the mount point, and the last one to let go unmounts. The kernel drops the locks of a
daemon that was killed, and the next one adopts the mount that it left.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import xxhash

from cachefs.errors import OriginTimeout, OriginUnavailable
from cachefs.origin.posix import PosixOrigin, Tree
from cachefs.origin.settings import NasSettings

LOCK_POLL_SECONDS = 0.05


class NasMount:
    """A shared mount of one export. Opening blocks for as long as the mount helper takes.

    Raises OriginUnavailable with what the helper said, or OriginTimeout.
    """

    def __init__(self, server: str, path: str, settings: NasSettings, state_dir: Path) -> None:
        self._settings = settings
        self._what = f"{server}:{path}"
        name = xxhash.xxh3_64_hexdigest(self._what.encode("utf-8", "surrogateescape"))
        directory = state_dir / "nas"
        self.target = directory / name
        try:
            self.target.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock_fd = os.open(directory / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise OriginUnavailable(f"mount {self._what}: {error}", hint="check node.state_dir") from None
        try:
            self._wait_for_turn()
            if not is_mounted(self.target):
                self._mount()
            fcntl.flock(self._lock_fd, fcntl.LOCK_SH)
        except BaseException:
            os.close(self._lock_fd)
            raise

    def close(self) -> None:
        """Unmount, unless somebody else uses the mount. Idempotent."""
        if self._lock_fd < 0:
            return
        lock_fd, self._lock_fd = self._lock_fd, -1
        try:
            fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if is_mounted(self.target):
                self._run((*self._settings.unmount_command, str(self.target)))
                self.target.rmdir()
        except BlockingIOError:
            return  # in use elsewhere
        finally:
            os.close(lock_fd)

    def _mount(self) -> None:
        options = ("-o", self._settings.mount_options) if self._settings.mount_options else ()
        self._run((*self._settings.mount_command, *options, self._what, str(self.target)))

    def _wait_for_turn(self) -> None:
        """Wait until nobody is about to mount or unmount: we hold the lock alone, or the mount is there and in use."""
        give_up_at = time.monotonic() + self._settings.mount_timeout_seconds
        while True:
            try:
                fcntl.flock(self._lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if is_mounted(self.target):
                    return
            else:
                return
            if time.monotonic() > give_up_at:
                raise OriginTimeout(f"mount {self._what}: another process has been mounting it for too long")
            time.sleep(LOCK_POLL_SECONDS)

    def _run(self, command: Sequence[str]) -> None:
        try:
            done = subprocess.run(  # noqa: S603  # the administrator's command; the source is its last arguments, no shell
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                timeout=self._settings.mount_timeout_seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise OriginTimeout(
                f"{command[0]} {self._what}: no end within {self._settings.mount_timeout_seconds} s"
            ) from None
        except OSError as error:
            hint = "install the NFS client (nfs-common, nfs-utils), or set nas.mount_command"
            raise OriginUnavailable(f"{command[0]} {self._what}: {error.strerror}", hint=hint) from None
        if done.returncode:
            said = " ".join(done.stdout.split()) or f"exit status {done.returncode}"
            hint = f"try it by hand: {' '.join(command)}"
            raise OriginUnavailable(f"{command[0]} {self._what}: {said}", hint=hint)


class NasOrigin(PosixOrigin):
    """A `PosixOrigin` on a mount of its own."""

    def __init__(self, tree: Tree, mount: NasMount, symlink_roots: Sequence[str] = ()) -> None:
        super().__init__(tree, symlink_roots)
        self._mount = mount

    def close(self) -> None:
        """See `Origin.close`; unmounts if nobody else uses the mount."""
        super().close()
        self._mount.close()


def open_nas(server: str, path: str, settings: NasSettings, state_dir: Path, symlink_roots: Sequence[str]) -> NasOrigin:
    """Mount ``server:path`` and serve it. `path` is absolute. Blocks; raises as `NasMount` does."""
    root = path.rstrip("/")
    mount = NasMount(server, root or "/", settings, state_dir)
    tree = Tree(authority=f"nas://{server}{root}", uri_base=f"nas://{server}", key_root=root, path=mount.target)
    return NasOrigin(tree, mount, symlink_roots)


def is_mounted(target: Path) -> bool:
    """Whether something is mounted on `target`, from the kernel's table: a stat could hang on a dead server."""
    wanted = os.fsencode(target.parent.resolve() / target.name)
    table = Path("/proc/self/mountinfo").read_bytes()
    return any(_unescape(line.split(b" ")[4]) == wanted for line in table.splitlines())


def _unescape(field: bytes) -> bytes:
    """Octal escapes of blanks and backslashes, as the kernel writes them."""
    for plain in (b" ", b"\t", b"\n", b"\\"):
        field = field.replace(b"\\%03o" % plain[0], plain)
    return field
