"""Ordinary programs on a mount give the same results as on the source directory."""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fuse.node import CHUNK, Node, running_node, some_bytes


@dataclass
class Twins:
    """The same files twice: as a plain directory and as a mount."""

    source: Path
    target: Path


def run(*command: str | Path, cwd: Path | None = None) -> str:
    """Standard output of a program that must succeed."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def fill(source: Path) -> None:
    """A directory with the kinds of files a model repository has."""
    texts = {"config.json": "{}", "a/notes.txt": "the quick brown fox\n" * 999, "a/b/c/deep.md": "fox", "empty": ""}
    for name, text in texts.items():
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (source / "weights.safetensors").write_bytes(some_bytes(12 * CHUNK + 77))
    (source / "name with spaces, ünïcode & (brackets).bin").write_bytes(some_bytes(3 * CHUNK + 1, seed=2))


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[Node, Twins]]:
    with running_node() as node:
        source = node.daemon.settings.directory / "source"
        source.mkdir()
        fill(source)
        node.server.put_tree("models", "m/", source)
        target = node.mount()
        for path in source.rglob("*"):
            if path.is_file():
                seconds = (target / path.relative_to(source)).stat().st_mtime
                os.utime(path, (seconds, seconds))
        yield node, Twins(source, target)


@pytest.fixture
def twins(running: tuple[Node, Twins]) -> Twins:
    return running[1]


@pytest.fixture
def node(running: tuple[Node, Twins]) -> Node:
    return running[0]


def test_find(twins: Twins) -> None:
    listing = ["find", ".", "-type", "f", "-printf", "%p %s %T@\n"]
    assert sorted(run(*listing, cwd=twins.target).split("\n")) == sorted(run(*listing, cwd=twins.source).split("\n"))
    folders = ["find", ".", "-type", "d"]
    assert sorted(run(*folders, cwd=twins.target).split()) == sorted(run(*folders, cwd=twins.source).split())


def test_grep_recursively(twins: Twins) -> None:
    words = ["grep", "-rc", "fox", "."]
    assert sorted(run(*words, cwd=twins.target).split()) == sorted(run(*words, cwd=twins.source).split())


def test_rsync_with_checksums_finds_no_difference(twins: Twins) -> None:
    changes = run(
        "rsync", "-rtc", "--dry-run", "--itemize-changes", "--omit-dir-times", f"{twins.target}/", twins.source
    )
    assert changes == ""


def test_copies_are_equal(twins: Twins, tmp_path: Path) -> None:
    run("cp", "-r", twins.target, tmp_path / "copy")
    run("diff", "-r", tmp_path / "copy", twins.source)


def test_tar_and_back(twins: Twins, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    run("tar", "-cf", tmp_path / "all.tar", "-C", twins.target, ".")
    run("tar", "-xf", tmp_path / "all.tar", "-C", tmp_path / "out")
    run("diff", "-r", tmp_path / "out", twins.source)


def test_random_reads_give_the_bytes_of_the_source(twins: Twins, node: Node) -> None:
    """On a cold file: sizes and places that fall on, before and behind chunk borders, and past the end."""
    node.server.put_file("models", "cold/weights.safetensors", twins.source / "weights.safetensors")
    content = (twins.source / "weights.safetensors").read_bytes()
    cold = node.mount("cold/", "cold") / "weights.safetensors"
    rng = random.Random(7)
    with cold.open("rb", buffering=0) as file:
        for _ in range(300):
            offset = rng.choice([rng.randrange(len(content)), CHUNK * rng.randrange(13) + rng.randrange(-2, 3)])
            offset, size = max(0, offset), rng.choice([1, 511, 4096, 65536, CHUNK + 1])
            assert os.pread(file.fileno(), size, offset) == content[offset : offset + size]
    node.daemon.unmount("cold")


def test_fio_verifies_what_it_wrote_into_the_source(node: Node, tmp_path: Path) -> None:
    job = ["fio", "--name=verify", "--size=32m", "--bs=64k", "--verify=crc32c", "--output-format=terse"]
    written = tmp_path / "fio.dat"
    run(*job, f"--filename={written}", "--rw=write", "--do_verify=0", cwd=tmp_path)
    node.server.put_file("models", "fio/fio.dat", written)
    target = node.mount("fio/", "fio")
    run(*job, f"--filename={target / 'fio.dat'}", "--rw=randread", "--verify_only", "--readonly", cwd=tmp_path)
    node.daemon.unmount("fio")


def test_every_way_to_write_is_refused(twins: Twins) -> None:
    """SEMANTICS S1."""
    config = twins.target / "config.json"
    ways: tuple[Callable[[], object], ...] = (
        lambda: (twins.target / "new").write_bytes(b"x"),
        lambda: config.write_bytes(b"x"),
        (twins.target / "folder").mkdir,
        config.unlink,
        lambda: config.rename(twins.target / "other"),
        lambda: config.chmod(0o777),
        lambda: os.truncate(config, 0),
        (twins.target / "a" / "b" / "c").rmdir,
        lambda: (twins.target / "link").symlink_to("x"),
    )
    for way in ways:
        with pytest.raises(OSError, match="Read-only file system"):
            way()
    mode = (twins.target / "config.json").stat().st_mode & 0o7777
    assert (mode, (twins.target / "a").stat().st_mode & 0o7777) == (0o444, 0o555)


def test_times_and_attributes_are_those_of_the_object(twins: Twins) -> None:
    """SEMANTICS S4, SEMANTICS S5."""
    path = twins.target / "weights.safetensors"
    status = path.stat()
    assert status.st_atime == status.st_mtime == status.st_ctime
    assert status.st_size == 12 * CHUNK + 77
    assert os.getxattr(path, "user.mows.source") == b"oss://models/m/weights.safetensors"
    assert len(os.getxattr(path, "user.mows.blob")) == 32
    path.read_bytes()
    assert os.getxattr(path, "user.mows.percent") == b"100.0"
    assert set(os.listxattr(path)) == {"user.mows.source", "user.mows.blob", "user.mows.percent"}
