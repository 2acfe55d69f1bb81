"""CRC-64/XZ and its combination."""

from __future__ import annotations

import pytest

from cachefs.store.crc64 import Shift, combine, crc64


def test_check_value_of_the_specification() -> None:
    assert crc64(b"123456789") == 0x995DC9BBDF1939FA


def test_goes_on_from_an_earlier_value() -> None:
    assert crc64(memoryview(b"6789"), crc64(b"12345")) == crc64(b"123456789")


def test_shift_appends_zero_bytes() -> None:
    # CRC(message + zeros) = shift(CRC(message)) XOR CRC(zeros), which is the law that combine rests on.
    assert Shift(1000)(crc64(b"abc")) ^ crc64(bytes(1000)) == crc64(b"abc" + bytes(1000))


@pytest.mark.parametrize("parts", [[], [b""], [b"a"], [b"ab", b"", b"c"], [b"x" * 4096, b"y" * 4096, b"z" * 17]])
def test_combine_is_the_crc_of_the_concatenation(parts: list[bytes]) -> None:
    assert combine((crc64(part), len(part)) for part in parts) == crc64(b"".join(parts))
