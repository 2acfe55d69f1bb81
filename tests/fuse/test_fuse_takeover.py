"""One daemon after another on one mount: reads go on, and the books of open files are right at the end."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from cachefs.fuse import mounting
from tests.fuse.mounted import child, finish, line_of, tell
from tests.fuse.succession import Child, Succession, succession

SIZE_BYTES = 24 * 2**20
HOLD_BYTES = 8 * 2**20
"""From this offset on, reads stay unanswered until a daemon comes that does not hold them."""

READ = """
import hashlib, os, sys
digest, fd = hashlib.md5(), os.open(sys.argv[1], os.O_RDONLY)
print("open", flush=True)
while data := os.read(fd, 1 << 20):
    digest.update(data)
print(digest.hexdigest())
"""

MAP = """
import hashlib, mmap, sys
with open(sys.argv[1], "rb") as file:
    data = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
print("open", flush=True)
print(hashlib.md5(data).hexdigest())
"""

# Opens; then, line by line: reads one block at the offset it is told, past the page cache; prints its digest or errno.
DIRECT = """
import hashlib, mmap, os, sys
fd = os.open(sys.argv[1], os.O_RDONLY | os.O_DIRECT)
buffer = mmap.mmap(-1, 4096)
print("open", flush=True)
for line in sys.stdin:
    try:
        count = os.preadv(fd, [buffer], int(line))
        print(hashlib.md5(buffer[:count]).hexdigest(), flush=True)
    except OSError as error:
        print("errno", error.errno, flush=True)
"""

LIST = """
import os, sys
with os.scandir(sys.argv[1]) as entries:
    print(next(entries).name, flush=True)
    sys.stdin.readline()
    for entry in entries:
        print(entry.name)
"""


@pytest.fixture
def content() -> bytes:
    return random.Random(4).randbytes(SIZE_BYTES)


@pytest.fixture(params=[(), ("old",)], ids=["resend", "no-resend"])
def line(request: pytest.FixtureRequest, tmp_path: Path, content: bytes) -> Iterator[Succession]:
    """With a keeper. Kernels that can send requests again, and kernels that cannot."""
    with succession(tmp_path, *request.param) as made:
        (made.source / "file").write_bytes(content)
        made.keeper()
        yield made


def reader(code: str, line: Succession, name: str = "file") -> Child:
    process = child(code, line.mount / name)
    assert line_of(process) == "open"
    return process


def digest(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


@pytest.mark.parametrize("line", [()], ids=["resend"], indirect=True)
def test_a_daemon_is_killed_in_mid_read_twenty_times(line: Succession, content: bytes) -> None:
    """One read(2) reader, one mmap reader; each daemon answers a bit more than the one before, then nothing."""
    daemon = line.daemon("hold=0")
    readers = [child(READ, line.mount / "file"), child(MAP, line.mount / "file")]
    for number in range(1, 21):
        line.ask(daemon, "held")
        line.kill(daemon)
        daemon = line.daemon(*([f"hold={number * SIZE_BYTES // 21}"] if number < 20 else []))
    for process in readers:
        status, out = finish(process)
        assert status == 0, out
        assert out.split() == ["open", digest(content)]
    assert line.ask(daemon, "opens") == "0"
    assert line.end(daemon) == ""


def test_cached_and_mapped_reads_survive_with_and_without_resend(line: Succession, content: bytes) -> None:
    daemon = line.daemon(f"hold={HOLD_BYTES}")
    readers = [reader(READ, line), reader(MAP, line)]
    line.ask(daemon, "held")
    line.kill(daemon)
    daemon = line.daemon()
    assert [finish(process) for process in readers] == [(0, digest(content) + "\n")] * 2
    assert line.end(daemon) == ""


def test_a_direct_read_in_flight_is_sent_again_or_fails_at_once(line: Succession, content: bytes) -> None:
    """Without resend this request fails, and nothing else does: the next one of the same file waits and succeeds."""
    daemon = line.daemon(f"hold={HOLD_BYTES}")
    process = reader(DIRECT, line)
    tell(process, str(HOLD_BYTES))
    line.ask(daemon, "held")
    line.kill(daemon)
    expected = digest(content[HOLD_BYTES : HOLD_BYTES + 4096])
    if line.options:
        assert line_of(process).startswith("errno")  # while no daemon is there
        tell(process, str(HOLD_BYTES))
    daemon = line.daemon()
    assert line_of(process) == expected
    assert finish(process)[0] == 0
    assert line.end(daemon) == ""


def test_a_daemon_leaves_and_the_next_one_goes_on(line: Succession, content: bytes) -> None:
    daemon = line.daemon()
    process = reader(DIRECT, line)
    for number in range(5):
        line.ask(daemon, "leave")
        assert daemon.communicate()[1] == ""
        tell(process, str(4096 * number))
        daemon = line.daemon()
        assert line_of(process) == digest(content[4096 * number : 4096 * (number + 1)])
    assert line.ask(daemon, "opens") == "1"
    assert finish(process)[0] == 0
    assert line.end(daemon) == ""


def test_a_passthrough_file_is_read_without_any_daemon_and_shared_with_the_next(
    line: Succession, content: bytes
) -> None:
    """The next daemon does not know the file as complete any more: the kernel reads on, and later opens share it."""
    daemon = line.daemon("complete")
    process = reader(DIRECT, line)
    line.kill(daemon)
    tell(process, "0")
    assert line_of(process) == digest(content[:4096])
    daemon = line.daemon()
    assert (line.mount / "file").read_bytes() == content
    assert line.ask(daemon, "statistics") == "0 1"
    assert finish(process)[0] == 0


def test_the_mode_can_change_again_after_the_last_release(line: Succession, content: bytes) -> None:
    daemon = line.daemon()
    process = reader(DIRECT, line)
    line.kill(daemon)
    daemon = line.daemon("complete")
    assert (line.mount / "file").read_bytes() == content  # cached, as the open before the restart is
    assert line.ask(daemon, "statistics") == "1 0"
    assert finish(process)[0] == 0
    while line.ask(daemon, "opens") != "0":
        pass
    assert (line.mount / "file").read_bytes() == content
    assert line.ask(daemon, "statistics") == "1 1"
    while line.ask(daemon, "opens") != "0":
        pass
    line.kill(daemon)
    daemon = line.daemon()
    assert (line.mount / "file").read_bytes() == content
    assert line.ask(daemon, "statistics") == "1 0"
    assert line.end(daemon) == ""


def test_a_listing_goes_on(line: Succession) -> None:
    names = {f"{number:04d}" for number in range(3000)}
    (line.source / "many").mkdir()
    for name in names:
        (line.source / "many" / name).touch()
    daemon = line.daemon()
    process = child(LIST, line.mount / "many")
    first = line_of(process)
    line.kill(daemon)
    daemon = line.daemon()
    tell(process)
    status, rest = finish(process)
    assert status == 0
    assert sorted([first, *rest.split()]) == sorted(names)
    assert line.end(daemon) == ""


def test_a_file_that_is_gone_fails_its_readers_only(line: Succession, content: bytes) -> None:
    (line.source / "other").write_bytes(content)
    daemon = line.daemon()
    lost, kept = reader(DIRECT, line), reader(DIRECT, line, "other")
    line.kill(daemon)
    (line.source / "file").unlink()
    daemon = line.daemon()
    tell(lost, "0")
    assert line_of(lost).startswith("errno")
    tell(kept, "4096")
    assert line_of(kept) == digest(content[4096:8192])
    assert finish(lost)[0] == finish(kept)[0] == 0
    log = line.end(daemon)
    assert log.count("cannot be opened again") == 1
    assert log.count("was lost when the daemon was restarted") == 1


def test_a_mount_that_has_ended_cannot_be_adopted(line: Succession) -> None:
    line.kill(line.daemon())
    mounting.unmount(line.mount)  # umount(8) would ask for its attributes first, and wait
    with pytest.raises(AssertionError, match="the mount has ended"):
        line.daemon()
