"""How to mount: frozen data, read once."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class MountOptions:
    """Settings of one mount."""

    threads: int = 4
    """Device threads. Each serves one request at a time and never waits for an origin; more than cores do not help."""
    passthrough: bool | None = None
    """Let the kernel read complete blobs by itself. None: where it can; False: never; True: or fail to mount."""
    read_ahead_bytes: int = 4 * MIB
    """Kernel read-ahead of cached files, and the window of one page fault. The kernel's default of 128 KiB halves a
    sequential read; see docs/design/0003-fuse-replies.md. Needs the right to write to sysfs, else it stays as it is."""
    allow_other: bool = True
    """Other users may read. Without CAP_SYS_ADMIN it needs `user_allow_other` in /etc/fuse.conf, else only we may."""
    fs_name: str = "mows"
    """What mount(8) and df show as the source."""
    entry_timeout_seconds: float = 60.0
    """How long the kernel trusts a name. A changed snapshot is pushed to it, so this is only a second line."""
    attr_timeout_seconds: float = 60.0
    """The same for attributes."""
