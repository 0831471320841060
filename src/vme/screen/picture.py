"""A screenshot as a PNG, whatever the hypervisor sent: QEMU before 7.1, or libvirt before 8.7, sends PPM."""

import re
import struct
import zlib

from vme.errors import Failed

_PNG = b"\x89PNG\r\n\x1a\n"
_PPM = re.compile(rb"P6\s+(?:#[^\n]*\s+)*(\d+)\s+(\d+)\s+255\s")


def as_png(picture: bytes) -> bytes:
    """The picture (PNG, or PPM of 3 bytes a pixel) as PNG. Raises Failed for anything else."""
    if picture.startswith(_PNG):
        return picture
    header = _PPM.match(picture)
    if header is None:
        raise Failed("the node sent a picture that is neither PNG nor PPM")
    width, height = int(header[1]), int(header[2])
    pixels = memoryview(picture)[header.end() :]
    if len(pixels) != 3 * width * height:
        raise Failed(f"the node sent {len(pixels)} bytes of a picture of {width} x {height}")
    return encoded(width, height, pixels)


def encoded(width: int, height: int, pixels: memoryview) -> bytes:
    """Pixels (red, green, blue; row after row) as PNG. Source: the PNG specification, 11.2 and 9.2 (filter 0)."""
    line = 3 * width
    lines = b"".join(b"\0" + bytes(pixels[line * row : line * (row + 1)]) for row in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return _PNG + _chunk(b"IHDR", head) + _chunk(b"IDAT", zlib.compress(lines)) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
