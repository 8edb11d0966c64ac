"""Writes photos with a depth map inside, as phones write them; the numbers are known on paper."""

from __future__ import annotations

import base64
import io
import struct
from collections.abc import Iterator

import numpy as np
import pillow_heif
from numpy.typing import NDArray
from PIL import Image

U8 = NDArray[np.uint8]

_XMP, _MORE = b"http://ns.adobe.com/xap/1.0/\0", b"http://ns.adobe.com/xmp/extension/\0"
_GUID = b"0123456789ABCDEF0123456789ABCDEF"
_RDF = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    "{}</rdf:RDF></x:xmpmeta>"
)


def encoded(pixels: U8, kind: str = "JPEG", **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **({"quality": 95} if kind == "JPEG" else {}), **options)
    return file.getvalue()


def _segment(payload: bytes) -> bytes:
    return b"\xff\xe1" + struct.pack(">H", len(payload) + 2) + payload


def with_xmp(jpeg: bytes, document: str, more: str = "") -> bytes:
    """A JPEG with an XMP document, and an extended one cut into parts, the second part first."""
    segments = _segment(_XMP + _RDF.format(document).encode())
    if more:
        whole = _RDF.format(more).encode()
        half = len(whole) // 2
        for offset, part in ((half, whole[half:]), (0, whole[:half])):
            segments += _segment(_MORE + _GUID + struct.pack(">II", len(whole), offset) + part)
    return jpeg[:2] + segments + jpeg[2:]


def gdepth(photo: bytes, depth: bytes, *, form: str = "RangeInverse", near: float = 1, far: float = 9) -> bytes:
    """As Google's and many phones' "lens blur": the map as base64 in the extended XMP."""
    space = 'xmlns:GDepth="http://ns.google.com/photos/1.0/depthmap/"'
    facts = f'GDepth:Format="{form}" GDepth:Near="{near}" GDepth:Far="{far}" GDepth:Mime="image/png"'
    return with_xmp(
        photo,
        f"<rdf:Description {space} {facts}/>",
        f'<rdf:Description {space} GDepth:Data="{base64.b64encode(depth).decode()}"/>',
    )


def dynamic_depth(
    photo: bytes, depth: bytes, *, padding: int = 0, other: bytes = b"\xff\xd8\xff\xe0 no depth"
) -> bytes:
    """As Android's cameras: a directory in the XMP, the pictures behind the JPEG, the map between two others."""
    spaces = (
        'xmlns:Container="http://ns.google.com/photos/dd/1.0/container/" '
        'xmlns:Item="http://ns.google.com/photos/dd/1.0/container/item/" '
        'xmlns:DepthMap="http://ns.google.com/photos/dd/1.0/depthmap/"'
    )
    rows = (
        ("primary_image", 0, padding),
        ("android/original_image", len(other), 0),
        ("android/depthmap", len(depth), 0),
        ("android/confidencemap", len(other), 0),
    )
    items = "".join(
        f'<rdf:li rdf:parseType="Resource"><Container:Item Item:Mime="image/jpeg" Item:DataURI="{uri}" '
        f'Item:Length="{length}" Item:Padding="{pad}"/></rdf:li>'
        for uri, length, pad in rows
    )
    document = (
        f'<rdf:Description {spaces} DepthMap:Format="RangeInverse" DepthMap:Near="0.4" DepthMap:Far="8" '
        f'DepthMap:DepthURI="android/depthmap"><Container:Directory><rdf:Seq>{items}</rdf:Seq></Container:Directory>'
        "</rdf:Description>"
    )
    return with_xmp(photo, document) + b"\0" * padding + other + depth + other


def semantic(photo: bytes, depth: bytes, name: str = "Depth") -> bytes:
    """The newer container, without a word on the map but its meaning; HDR photos name a gain map there."""
    spaces = (
        'xmlns:Container="http://ns.google.com/photos/1.0/container/" '
        'xmlns:Item="http://ns.google.com/photos/1.0/container/item/"'
    )
    items = "".join(
        f'<rdf:li rdf:parseType="Resource"><Container:Item Item:Semantic="{what}" Item:Length="{length}"/></rdf:li>'
        for what, length in (("Primary", 0), (name, len(depth)))
    )
    document = (
        f"<rdf:Description {spaces}><Container:Directory><rdf:Seq>{items}</rdf:Seq></Container:Directory>"
        "</rdf:Description>"
    )
    return with_xmp(photo, document) + depth


def apple_jpeg(photo: bytes, depth: bytes, kind: str = "disparity") -> bytes:
    """As an iPhone's "most compatible" portraits: a second JPEG that tells in its XMP what it is."""
    document = (
        '<rdf:Description xmlns:apdi="http://ns.apple.com/pixeldatainfo/1.0/">'
        f"<apdi:AuxiliaryImageType>{kind}</apdi:AuxiliaryImageType></rdf:Description>"
    )
    mpf = b"\xff\xe2" + struct.pack(">H", 8) + b"MPF\0\0\0"
    return photo[:2] + mpf + photo[2:] + with_xmp(depth, document)


def heic(photo: U8, depth: U8) -> bytes:
    """As an iPhone's portraits: the map is an auxiliary image of type depth.

    pillow-heif writes no auxiliary images: it writes two pictures, and the second is made one here (ISO 23008-12:
    the property auxC names its kind, the reference auxl its master).
    """
    pictures = pillow_heif.from_pillow(Image.fromarray(photo))
    pictures.add_from_pillow(Image.fromarray(depth))
    file = io.BytesIO()
    pictures.save(file, quality=-1, primary_index=0)
    data = file.getvalue()
    auxiliary = _box(b"auxC", b"\0" * 4 + b"urn:mpeg:hevc:2015:auxid:2\0")
    reference = _box(b"iref", b"\0" * 4 + _box(b"auxl", struct.pack(">HHH", 2, 1, 1)))
    at = {kind: (start, size) for kind, start, size in _walk(data, 0, len(data))}
    count = sum(1 for _ in _walk(data, at[b"ipco"][0] + 8, sum(at[b"ipco"]), nested=False))
    added = len(auxiliary) + 1 + len(reference)
    insert: list[tuple[int, bytes]] = [
        (sum(at[b"ipco"]), auxiliary),
        (sum(at[b"ipma"]), bytes([count + 1])),  # the last entry is the second picture's
        (sum(at[b"meta"]), reference),
    ]
    out = bytearray(data)
    entry = data.rindex(struct.pack(">H", 2), at[b"ipma"][0] + 16, sum(at[b"ipma"]))
    out[entry + 2] += 1
    for kind, more in (
        (b"ipco", len(auxiliary)), (b"ipma", 1), (b"iprp", len(auxiliary) + 1), (b"meta", added),
    ):  # fmt: skip
        start, size = at[kind]
        out[start : start + 4] = struct.pack(">I", size + more)
    # iloc of version 0 with base offsets of four bytes: 16 bytes of head, then 18 a picture.
    for item in range(2):
        place = at[b"iloc"][0] + 16 + 18 * item + 4
        out[place : place + 4] = struct.pack(">I", struct.unpack(">I", out[place : place + 4])[0] + added)
    for place, new in reversed(insert):  # they rise; of two at one place the earlier stays before
        out[place:place] = new
    return bytes(out)


def _box(kind: bytes, payload: bytes) -> bytes:
    return struct.pack(">I4s", len(payload) + 8, kind) + payload


def _walk(data: bytes, start: int, end: int, nested: bool = True) -> Iterator[tuple[bytes, int, int]]:
    """(kind, start, size) of the boxes, and of those in the boxes that matter here."""
    inner = {b"meta": 12, b"iprp": 8}
    while start < end:
        size, kind = struct.unpack(">I4s", data[start : start + 8])
        yield kind, start, size
        if nested and kind in inner:
            yield from _walk(data, start + inner[kind], start + size)
        start += size
