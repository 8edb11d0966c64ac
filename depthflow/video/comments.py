"""A comment in animations and still images, which ffmpeg writes into videos only.

Each kind of file has a place that programs which do not know it pass over: a comment block in GIF and JPEG, a text
chunk in PNG, and an XMP packet with a description in WebP and AVIF. It knows these files, and nothing of what is said.
"""

from __future__ import annotations

import re
import shutil
import struct
import zlib
from collections.abc import Callable, Iterator
from html import escape, unescape
from pathlib import Path
from typing import BinaryIO

MOST = 512 * 1024
"""Bytes of a comment; a longer one is neither written nor read."""

_PNG = b"\x89PNG\r\n\x1a\n"
_XMP_UUID = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
"""Of the XMP box in files of the ISO base media kind (ISO 16684-3)."""
_PACKET = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf='
    '"http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" xmlns:dc='
    '"http://purl.org/dc/elements/1.1/"><dc:description><rdf:Alt><rdf:li xml:lang="x-default">{}</rdf:li></rdf:Alt>'
    '</dc:description></rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
)
_DESCRIPTION = re.compile(r"<dc:description>.*?<rdf:li[^>]*>(.*?)</rdf:li>", re.DOTALL)


def read_comment(path: Path) -> str | None:
    """The first comment in a GIF, PNG, JPEG, WebP or AVIF; None if there is none, or the file is none of these."""
    try:
        with path.open("rb") as file:
            head = file.read(12)
            file.seek(0)
            return next((text for text in _comments(file, head) if text), None)
    except (OSError, ValueError, struct.error, zlib.error):
        return None


def room_for(text: str, suffix: str) -> int:
    """Bytes by which `write_comment` makes a file longer, at most."""
    if len(data := text.encode()) > MOST:
        return 0
    match suffix.lower():
        case ".gif":
            return len(_gif_block(data))
        case ".webp":
            return len(_webp_chunk(b"XMP ", _packet(text))) + len(_webp_chunk(b"VP8X", bytes(10)))
        case ".avif":
            return len(_xmp_box(text))
        case ".jpg" | ".jpeg":
            return len(_jpeg_segments(data))
    return len(_png_chunk(data))


def write_comment(path: Path, text: str, spare: Path) -> None:
    """Put a comment into a GIF, PNG, JPEG, WebP or AVIF of ours; its pictures and their times stay as they are.

    Args:
        spare: the name of a file beside it, used meanwhile where the comment goes to the front.

    Raises:
        ValueError: it is none of these. OSError: it cannot be written.
    """
    if len(data := text.encode()) > MOST:
        return
    with path.open("rb+") as file:
        head = file.read(12)
        file.seek(0)
        if head[4:8] == b"ftyp":
            _append_box(file, _xmp_box(text))
            return
        if head[:4] == b"RIFF" and head[8:] == b"WEBP":
            _extend_webp(file)
            _append_xmp(file, _packet(text))
            return
        file.seek(0)
        at, block = _insertion(file, head, data, text)
        _copy(file, spare, at, block)
    spare.replace(path)


def _insertion(file: BinaryIO, head: bytes, data: bytes, text: str) -> tuple[int, bytes]:
    """Where in a file something new goes, and what."""
    if head[:4] == b"GIF8":
        return _gif_pictures(file, lambda _: None), _gif_block(data)
    if head[:8] == _PNG:
        return 8 + 12 + 13, _png_chunk(data)  # behind IHDR, which is first and has 13 bytes
    if head[:2] == b"\xff\xd8":
        at = 2
        for mark, length in _jpeg_heads(file):
            if mark != 0xE0:
                break
            at += 2 + length
        return at, _jpeg_segments(data)
    raise ValueError("neither GIF, PNG, JPEG, WebP nor AVIF")


def _copy(file: BinaryIO, spare: Path, at: int, block: bytes) -> None:
    file.seek(0)
    with spare.open("wb") as copy:
        copy.write(_exactly(file, at))
        copy.write(block)
        shutil.copyfileobj(file, copy, 1 << 20)


def _comments(file: BinaryIO, head: bytes) -> Iterator[str]:
    if head[:8] == _PNG:
        yield from _png_comments(file)
    elif head[:4] == b"GIF8":
        found: list[bytes] = []
        _gif_pictures(file, found.append)
        yield from (data.decode(errors="replace") for data in found)
    elif head[:2] == b"\xff\xd8":
        yield _jpeg_comment(file)
    elif head[:4] == b"RIFF" and head[8:] == b"WEBP":
        yield from (_described(_exactly(file, length)) for name, length in _webp_chunks(file) if name == b"XMP ")
    elif head[4:8] == b"ftyp":
        for name, length in _boxes(file):
            if name == b"uuid" and 16 < length <= 16 + 8 * MOST and _exactly(file, 16) == _XMP_UUID:
                yield _described(_exactly(file, length - 16))


def _exactly(file: BinaryIO, count: int) -> bytes:
    """Raises ValueError: so many bytes are not there, or are too many to be a comment."""
    if not 0 <= count <= 8 * MOST or len(data := file.read(count)) < count:
        raise ValueError("the file ends too early")
    return data


# -- XMP ------------------------------------------------------------------------------------------------------


def _packet(text: str) -> bytes:
    return _PACKET.format(escape(text, quote=False)).encode()


def _described(packet: bytes) -> str:
    match = _DESCRIPTION.search(packet.decode(errors="replace"))
    return unescape(match[1]) if match else ""


# -- GIF ------------------------------------------------------------------------------------------------------


def _gif_block(data: bytes) -> bytes:
    pieces = [data[at : at + 255] for at in range(0, len(data), 255)]
    return b"\x21\xfe" + b"".join(bytes([len(piece)]) + piece for piece in pieces) + b"\0"


def _gif_pictures(file: BinaryIO, comment: Callable[[bytes], None]) -> int:
    """Where the first picture, or what belongs to it, begins; every comment before it is told."""
    packed = _exactly(file, 13)[10]
    _exactly(file, 3 << (packed & 7) + 1 if packed & 0x80 else 0)
    while True:
        at = file.tell()
        kind = _exactly(file, 2)
        if kind[0] != 0x21 or kind[1] == 0xF9:
            return at
        blocks = []
        while size := _exactly(file, 1)[0]:
            blocks.append(_exactly(file, size))
        if kind[1] == 0xFE:
            comment(b"".join(blocks))


# -- PNG ------------------------------------------------------------------------------------------------------


def _png_chunk(data: bytes) -> bytes:
    """Compressed international text, whose keyword is one of those that the standard names."""
    body = b"iTXt" + b"Comment\0" + b"\1\0" + b"\0" + b"\0" + zlib.compress(data, 9)
    return struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))


def _png_comments(file: BinaryIO) -> Iterator[str]:
    file.seek(8)
    while True:
        length, name = struct.unpack(">I4s", _exactly(file, 8))
        if name in (b"IDAT", b"IEND"):
            return
        if name != b"iTXt" or length > 2 * MOST:
            file.seek(length + 4, 1)
            continue
        body = _exactly(file, length + 4)[:-4]
        keyword, _, rest = body.partition(b"\0")
        _, _, data = rest[2:].split(b"\0", 2)
        if keyword == b"Comment":
            yield (zlib.decompressobj().decompress(data, MOST) if rest[0] else data).decode(errors="replace")


# -- JPEG -----------------------------------------------------------------------------------------------------


def _jpeg_segments(data: bytes) -> bytes:
    """As many comments as it takes: one ends at 65,533 bytes, and the last is shorter."""
    pieces = [data[at : at + 65533] for at in range(0, len(data) + 1, 65533)]
    return b"".join(b"\xff\xfe" + struct.pack(">H", len(piece) + 2) + piece for piece in pieces)


def _jpeg_heads(file: BinaryIO) -> Iterator[tuple[int, int]]:
    """Mark and length of every segment before the picture's own; it is passed over, unless somebody reads it."""
    file.seek(2)
    while True:
        at = file.tell()
        sign, mark, length = struct.unpack(">BBH", _exactly(file, 4))
        if sign != 0xFF or mark == 0xDA or length < 2:
            return
        yield mark, length
        file.seek(at + 2 + length)


def _jpeg_comment(file: BinaryIO) -> str:
    """The first comment, and those that go on where it ends as there was no more room."""
    found = b""
    for mark, length in _jpeg_heads(file):
        if mark == 0xFE:
            found += _exactly(file, length - 2)
        if found and length < 65535:
            break
    return found.decode(errors="replace")


# -- WebP -----------------------------------------------------------------------------------------------------


def _webp_chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def _webp_chunks(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Name and length of every chunk; it is passed over, unless somebody reads it."""
    file.seek(12)
    while len(head := file.read(8)) == 8:
        at = file.tell()
        name, length = struct.unpack("<4sI", head)
        yield name, length
        file.seek(at + length + length % 2)


def _extend_webp(file: BinaryIO) -> None:
    """Give a bare picture the chunk in front that says what else there is."""
    name, length = next(_webp_chunks(file), (b"", 0))
    if name == b"VP8X":
        return
    at, head = file.tell(), _exactly(file, 10)
    if name == b"VP8L":
        bits = int.from_bytes(head[1:5], "little")
        width, height, flags = bits & 0x3FFF, bits >> 14 & 0x3FFF, bits >> 28 & 1
    elif name != b"VP8 ":
        raise ValueError("WebP without a picture")
    else:
        width, height = (side & 0x3FFF for side in struct.unpack("<HH", head[6:10]))
        width, height, flags = width - 1, height - 1, 0
    body = bytes([flags << 4, 0, 0, 0]) + width.to_bytes(3, "little") + height.to_bytes(3, "little")
    file.seek(at - 8)
    picture = file.read(8 + length + length % 2)
    file.seek(12)
    file.write(_webp_chunk(b"VP8X", body) + picture)


def _append_xmp(file: BinaryIO, packet: bytes) -> None:
    end = file.seek(0, 2)
    file.write(b"\0" * (end % 2) + _webp_chunk(b"XMP ", packet))
    length = file.tell()
    file.seek(4)
    file.write(struct.pack("<I", length - 8))
    file.seek(20)
    flags = file.read(1)[0]
    file.seek(20)
    file.write(bytes([flags | 0x04]))


# -- AVIF -----------------------------------------------------------------------------------------------------


def _xmp_box(text: str) -> bytes:
    packet = _packet(text)
    return struct.pack(">I4s", 8 + 16 + len(packet), b"uuid") + _XMP_UUID + packet


def _boxes(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Name and length of every box of the file; it is passed over, unless somebody reads it.

    Raises:
        ValueError: the last one has no length, and so takes all that follows.
    """
    end = file.seek(0, 2)
    at = 0
    while at + 8 <= end:
        file.seek(at)
        size, name = struct.unpack(">I4s", _exactly(file, 8))
        head = 8
        if size == 1:
            (size,), head = struct.unpack(">Q", _exactly(file, 8)), 16
        if size < head:
            raise ValueError("a box without a length")
        yield name, size - head
        at += size


def _append_box(file: BinaryIO, box: bytes) -> None:
    """Behind all others, so that what they say about places in the file stays true."""
    for _ in _boxes(file):
        pass
    file.seek(0, 2)
    file.write(box)
