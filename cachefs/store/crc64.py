"""CRC-64/XZ: of bytes, and of a whole from the CRCs of its parts.

OSS gives this checksum for whole objects (``x-oss-hash-crc64ecma``), while chunks arrive in any order. A CRC is
linear over GF(2): appending n zero bytes to a message multiplies its remainder by x^(8n) modulo the polynomial, so
the CRC of a concatenation is the shifted CRC of the left part XOR that of the right part. `Shift` is that
multiplication as eight lookups, since all chunks of a blob but the last have one length.

Polynomial and reflection: ECMA-182, as in the XZ file format specification 1.2.0, section 6. Check value of
``123456789``: 0x995DC9BBDF1939FA.
"""

from __future__ import annotations

from collections.abc import Iterable

from fastcrc import crc64 as _fastcrc

_POLYNOMIAL = 0xC96C5795D7870F42  # bits reversed: bit 63 is x^0
_ONE = 1 << 63


def crc64(data: bytes | bytearray | memoryview, initial: int = 0) -> int:
    """CRC-64/XZ of `data`, going on from `initial`. Releases the GIL."""
    return _fastcrc.xz(data, initial)


class Shift:
    """The operator that appends `length_bytes` zero bytes to whatever a CRC was taken of."""

    def __init__(self, length_bytes: int) -> None:
        factor = _power_of_x(8 * length_bytes)
        bits = [_multiply(1 << bit, factor) for bit in range(64)]
        self._tables = [_byte_table(bits[start : start + 8]) for start in range(0, 64, 8)]

    def __call__(self, crc: int) -> int:
        """`crc`, shifted."""
        shifted = 0
        for table in self._tables:
            shifted ^= table[crc & 0xFF]
            crc >>= 8
        return shifted


def combine(parts: Iterable[tuple[int, int]]) -> int:
    """CRC of a concatenation, from the (CRC, length in bytes) of its parts in order. 0 for no parts."""
    shifts: dict[int, Shift] = {}
    whole = 0
    for crc, length_bytes in parts:
        if length_bytes not in shifts:
            shifts[length_bytes] = Shift(length_bytes)
        whole = shifts[length_bytes](whole) ^ crc
    return whole


def _multiply(left: int, right: int) -> int:
    """Product of two polynomials modulo the polynomial, all in reversed bits."""
    product = 0
    while left:
        if left & _ONE:
            product ^= right
        left = (left << 1) & (2 * _ONE - 1)
        right = (right >> 1) ^ (_POLYNOMIAL if right & 1 else 0)
    return product


def _power_of_x(exponent: int) -> int:
    result, square = _ONE, _ONE >> 1
    while exponent:
        if exponent & 1:
            result = _multiply(result, square)
        square = _multiply(square, square)
        exponent >>= 1
    return result


def _byte_table(bits: list[int]) -> list[int]:
    """XORs of all subsets of eight values, indexed by the byte that selects them."""
    table = [0]
    for bit in bits:
        table += [entry ^ bit for entry in table]
    return table
