"""MD5 and CRC-64."""

import hashlib
from pathlib import Path

from benchmarks.ossserver.digests import combine, digest_bytes, digest_parts, multipart_etag


def test_the_check_value_of_crc64ecma() -> None:
    # "123456789" is what every catalogue of CRCs gives the value for.
    assert digest_bytes(b"123456789").crc64 == 0x995DC9BBDF1939FA


def test_an_etag_is_the_md5_in_upper_case() -> None:
    assert digest_bytes(b"hello").etag == hashlib.md5(b"hello").hexdigest().upper()


def test_parts_of_a_file_combine_to_the_whole(tmp_path: Path) -> None:
    data = bytes(range(256)) * 1000
    path = tmp_path / "data"
    path.write_bytes(data)
    parts = digest_parts(path, 100_000)
    assert [part.size_bytes for part in parts] == [100_000, 100_000, 56_000]
    assert combine(parts) == digest_bytes(data).crc64
    assert parts[0].md5 == hashlib.md5(data[:100_000]).digest()


def test_a_multipart_etag_counts_its_parts() -> None:
    parts = [digest_bytes(b"a"), digest_bytes(b"b")]
    joined = hashlib.md5(b"a").digest() + hashlib.md5(b"b").digest()
    assert multipart_etag(parts) == hashlib.md5(joined).hexdigest().upper() + "-2"


def test_an_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "empty"
    path.touch()
    assert digest_parts(path, 10) == [digest_bytes(b"")]
