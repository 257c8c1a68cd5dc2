"""The header before a value in its file, by which a wrong or damaged file is recognised.

Little-endian, 104 bytes: magic (8), digest of the key (32), lease (24), boot id (16), uptime (8), wall clock
(8), length of the value (4), CRC-32 (4) of all before it and of the value. CRC-32 guards against accidents
(6 ms for 25 MB; SHA-256 takes 14): a process that can write the folder, mode 0700, is trusted. Objects
of the object store are not trusted, and are checked by SHA-256.
"""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple

from vitrine_orchestrator.cache.disk.stamp import Stamp
from vitrine_orchestrator.cache.generations import LEASE_BYTES
from vitrine_orchestrator.cache.key import Key
from vitrine_orchestrator.cache.tier import Lease

_MAGIC = b"VITRINE1"  # the digit is the version; a file of another version is a miss
_FIELDS = struct.Struct(f"<8s32s{LEASE_BYTES}s16sddI")
_CHECKSUM = struct.Struct("<I")
HEADER_BYTES = _FIELDS.size + _CHECKSUM.size
MAX_BYTES = 2**32 - 1  # largest value; a larger one is not stored on disk


class Header(NamedTuple):
    """A header as read; `checksum` is the stored one and has not been compared yet."""

    key_digest: str
    lease: Lease
    written: Stamp
    length: int
    checksum: int
    fields: bytes  # the bytes that the checksum covers in addition to the value


def seal(key: Key, lease: Lease, written: Stamp, value: bytes) -> bytes:
    """The header for `value`; `lease` has LEASE_BYTES bytes."""
    assert len(lease) == LEASE_BYTES, len(lease)
    fields = _FIELDS.pack(_MAGIC, bytes.fromhex(key.digest), lease, *written, len(value))
    return fields + _CHECKSUM.pack(zlib.crc32(value, zlib.crc32(fields)))


def read_header(raw: bytes) -> Header | None:
    """The fields of a header; None if it is too short or of another format or version."""
    if len(raw) != HEADER_BYTES or not raw.startswith(_MAGIC):
        return None
    fields = raw[: _FIELDS.size]
    _, digest, lease, boot, uptime_s, wall_s, length = _FIELDS.unpack(fields)
    (checksum,) = _CHECKSUM.unpack(raw[_FIELDS.size :])
    return Header(digest.hex(), lease, Stamp(boot, uptime_s, wall_s), length, checksum, fields)


def is_whole(header: Header, key: Key, value: bytes) -> bool:
    """Whether header and value were sealed together under exactly this key."""
    return (
        header.key_digest == key.digest
        and header.length == len(value)
        and header.checksum == zlib.crc32(value, zlib.crc32(header.fields))
    )
