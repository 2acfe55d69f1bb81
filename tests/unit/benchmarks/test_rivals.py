"""What is measured against: the commands, and a real download."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from benchmarks.local.bench import write_random
from benchmarks.local.downloads import with_obstore
from benchmarks.local.rivals import Place, ToolMissing, rclone_command, tool
from benchmarks.node.oss import BUCKET, OssProcess


def test_rclone_mounts_the_same_prefix_of_the_same_server_with_a_full_cache(tmp_path: Path) -> None:
    place = Place("http://127.0.0.1:1", "object", tmp_path)
    words = [str(word) for word in rclone_command(place)]
    assert words[1:4] == [
        "mount",
        ":s3,provider=Other,endpoint='http://127.0.0.1:1',force_path_style=true:models/object",
        str(tmp_path / "mount"),
    ]
    assert words[words.index("--vfs-cache-mode") + 1] == "full"
    assert words[words.index("--cache-dir") + 1] == str(tmp_path / "cache")


def test_a_missing_program_is_said_with_the_remedy() -> None:
    with pytest.raises(ToolMissing, match="no-such-program is not installed: run the benchmarks by `make bench`"):
        tool("no-such-program")


def test_the_download_by_obstore_is_whole(tmp_path: Path) -> None:
    size_bytes = 20 * 1024**2 + 3
    write_random(tmp_path / "tree" / "object.bin", size_bytes)
    with OssProcess(tmp_path / "oss", anonymous=True) as server:
        server.wait_ready()
        server.put_tree("object", tmp_path / "tree")
        rate = with_obstore(f"{server.endpoint}/{BUCKET}/object/object.bin", size_bytes, tmp_path / "downloaded")
    assert rate > 0
    assert _digest(tmp_path / "downloaded") == _digest(tmp_path / "tree" / "object.bin")


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()
