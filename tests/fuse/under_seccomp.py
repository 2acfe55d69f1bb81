"""Runs a command under a seccomp profile, as container runtimes do: ``under_seccomp FILE COMMAND...``.

Through libseccomp, which every Debian has, because apt needs it. As in a runtime, names that this libseccomp does not
know are left out.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
from pathlib import Path
from typing import Any

ALLOW = 0x7FFF0000
ERRNO = 0x00050000
UNKNOWN = -1


def load(profile: dict[str, Any]) -> None:
    """Confine this thread, and what it becomes, for good. Only the parts of the format that our profile has."""
    library = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    library.seccomp_init.restype = ctypes.c_void_p
    assert profile["defaultAction"] == "SCMP_ACT_ERRNO"
    context = ctypes.c_void_p(library.seccomp_init(ERRNO | profile["defaultErrnoRet"]))
    assert context.value is not None
    for rule in profile["syscalls"]:
        assert rule["action"] == "SCMP_ACT_ALLOW"
        assert "args" not in rule
        for name in rule["names"]:
            number = library.seccomp_syscall_resolve_name(name.encode())
            if number != UNKNOWN:
                _check(library.seccomp_rule_add(context, ctypes.c_uint32(ALLOW), number, 0), name)
    _check(library.seccomp_load(context), "seccomp_load")


def _check(result: int, what: str) -> None:
    if result != 0:
        raise OSError(-result, f"{what}: {os.strerror(-result)}")


if __name__ == "__main__":
    load(json.loads(Path(sys.argv[1]).read_text()))
    os.execvp(sys.argv[2], sys.argv[2:])
