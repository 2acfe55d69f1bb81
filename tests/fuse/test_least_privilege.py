"""What a daemon needs of the machine, and no more: docs/SECURITY.md says it, and this tries it."""

from __future__ import annotations

import contextlib
import json
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fuse.daemon_process import Home, Process, is_mounted, running
from tests.fuse.test_keeper_daemon import Pair

PROFILE = Path(__file__).parents[2] / "deploy" / "seccomp" / "mows.json"

NO_CAPABILITY = ["setpriv", "--no-new-privs", "--bounding-set=-all"]
CAPABILITIES = ["setpriv", "--no-new-privs", "--bounding-set=-all,+sys_admin"]
READ_ONLY_ROOT = [
    *("unshare", "--mount", "--propagation", "unchanged", "sh", "-c"),
    'mount --make-private / && mount -o remount,bind,ro / && exec "$@"',
    "sh",
]
SECCOMP = [sys.executable, "-m", "tests.fuse.under_seccomp", str(PROFILE)]

DATA = random.Random(1).randbytes(3_500_000)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """Directories on a file system of their own, whose mounts other mount namespaces see, as volumes of a pod are."""
    volume = tmp_path.resolve() / "volume"
    volume.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256m", "mows-test", volume], check=True)
    try:
        subprocess.run(["mount", "--make-shared", volume], check=True)
        home = Home(volume / "node")
        (home.source / "weights.bin").write_bytes(DATA)
        yield home
    finally:
        with contextlib.suppress(subprocess.CalledProcessError):
            subprocess.run(["umount", "--recursive", volume], check=True)


def works(process: Process) -> None:
    """The whole life of a mount: warm, read by the kernel alone, taken away; and a stop."""
    mounted = process.put_mount(warm=True)
    assert (mounted["state"], mounted["passthrough"]) == ("warm", True)
    assert (process.home.mounts / "m" / "weights.bin").read_bytes() == DATA
    assert process.http.delete("/v1/mounts/m").status_code == 204
    assert not is_mounted(process.home.mounts / "m")
    assert process.stop() == 0
    assert "Traceback" not in (process.home.path / "log").read_text()


def status_of(process: Process) -> dict[str, str]:
    lines = Path(f"/proc/{process.child.pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines)


def test_one_capability_is_enough(home: Home) -> None:
    with running(home, prefix=CAPABILITIES) as process:
        status = status_of(process)
        assert (int(status["CapEff"], 16), int(status["CapBnd"], 16)) == (1 << 21, 1 << 21)
        works(process)


def test_a_read_only_root_is_enough(home: Home) -> None:
    assert (
        subprocess.run([*READ_ONLY_ROOT, "touch", "/etc/mows-was-here"], capture_output=True, check=False).returncode
        != 0
    )
    with running(home, prefix=READ_ONLY_ROOT) as process:
        works(process)


def test_the_seccomp_profile_is_enough(home: Home) -> None:
    with running(home, prefix=SECCOMP) as process:
        assert status_of(process)["Seccomp"] == "2"
        works(process)


def test_all_of_them_together(home: Home) -> None:
    with running(home, prefix=[*READ_ONLY_ROOT, *CAPABILITIES, *SECCOMP]) as process:
        works(process)


def test_a_keeper_needs_none(home: Home) -> None:
    pair = Pair(home, home.path / "keeper.sock")
    home.sections = {"daemon": {"keeper": str(pair.socket)}, "fuse": {"passthrough": "off"}}
    file = home.mounts / "m" / "weights.bin"
    with pair.keeper(NO_CAPABILITY):
        with running(home, prefix=CAPABILITIES) as first:
            first.put_mount()
            assert first.stop() == 0
        assert is_mounted(home.mounts / "m")
        with running(home, prefix=CAPABILITIES) as second:
            assert file.read_bytes() == DATA
            assert second.stop(signal.SIGINT) == 0
    assert not is_mounted(home.mounts / "m")


@pytest.mark.parametrize(
    "command",
    [
        ["unshare", "--user", "true"],
        [sys.executable, "-c", "import ctypes; assert ctypes.CDLL(None, use_errno=True).ptrace(0, 0, 0, 0) == 0"],
        ["chroot", "/", "true"],
    ],
)
def test_what_nobody_needs_is_refused(command: list[str]) -> None:
    subprocess.run(command, check=True)
    refused = subprocess.run([*SECCOMP, *command], capture_output=True, check=False)
    assert refused.returncode != 0


def test_the_profile_is_one_that_runtimes_take() -> None:
    profile = json.loads(PROFILE.read_text())
    assert profile.keys() == {"defaultAction", "defaultErrnoRet", "architectures", "syscalls"}
    assert set(profile["architectures"]) == {"SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"}
    names = [name for rule in profile["syscalls"] for name in rule["names"]]
    assert names == sorted(set(names))
