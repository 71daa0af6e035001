"""gzip with nothing in it but the content: equal content, equal bytes."""

from __future__ import annotations

import struct
import zlib

__all__ = ["gzipped"]

_LEVEL = 9
# No name, no time, an unknown system: Python's own writer names the system, by version.
_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff"


def gzipped(raw: bytes) -> bytes:
    """The bytes as one gzip member.

    References:
        RFC 1952, GZIP file format: 2.3.

    >>> import gzip
    >>> gzip.decompress(gzipped(b"score")), gzipped(b"score")[4:10].hex()
    (b'score', '0000000002ff')
    """
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = packer.compress(raw) + packer.flush()
    return _HEADER + body + struct.pack("<II", zlib.crc32(raw), len(raw) & 0xFFFFFFFF)
