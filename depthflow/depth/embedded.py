"""Finds the depth map that a phone put into a portrait photo; it reads bytes, opens no file and estimates nothing.

Known ways:

- **GDepth**: the map as base64 in the JPEG's (extended) XMP, near and far in its properties.
  https://developers.google.com/depthmap-metadata/reference
- **Dynamic depth**: a directory in the XMP lists pictures that are appended after the JPEG.
  https://developer.android.com/media/camera/camera2/Dynamic-depth-v1.0.pdf
- **Apple**: an auxiliary image in HEIC, or a further JPEG in the file whose own XMP says that it is disparity.
"""

from __future__ import annotations

import base64
import binascii
import io
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from depthflow.depth.decode import picture
from depthflow.errors import DepthError

F32 = NDArray[np.float32]
Properties = dict[str, str]

_XMP, _MORE_XMP = b"http://ns.adobe.com/xap/1.0/\0", b"http://ns.adobe.com/xmp/extension/\0"
_GDEPTH = "http://ns.google.com/photos/1.0/depthmap/"
_DD_DEPTH = "http://ns.google.com/photos/dd/1.0/depthmap/"
_ITEM = re.compile(r"^http://ns\.google\.com/photos/(dd/)?1\.0/container/item/$")
_APPLE_TYPE = re.compile(rb"AuxiliaryImageType(?:>|\s*=\s*[\"'])[^<\"']*?(disparity|depth)", re.IGNORECASE)
_JPEG, _PNG = b"\xff\xd8\xff", b"\x89PNG"
_MOST_PICTURES = 100
"""In one file; what is behind them is not looked at."""
_UNIFORM_Z = 2
"""depth_representation_type of HEVC (H.265, G.14.3.3) whose samples grow with distance; the others are inverse."""


@dataclass(frozen=True, slots=True)
class Embedded:
    """A depth map from inside a photo.

    Attributes:
        depth: (h, w) float32 in [0, 1], 1 = nearest, linear in inverse depth; as the camera held it, not yet upright.
        kind: what it was, for people.
    """

    depth: F32
    kind: str


def embedded_depth(data: bytes) -> Embedded | None:
    """The depth map in a photo's file, if it has one.

    Args:
        data: the file's content.

    Raises:
        DepthError: there is one, and it cannot be read; the message names no file.
    """
    if not data.startswith(_JPEG):
        return _heif(data)
    segments, end = _segments(data)
    roots = list(_xmp(segments))
    return _gdepth(roots) or _dynamic_depth(roots, data, end) or _further_jpeg(data, end)


# -- JPEG ------------------------------------------------------------------------------------------------------


def _segments(data: bytes, start: int = 0) -> tuple[list[tuple[int, bytes]], int]:
    """(marker, payload) of what stands before the pixels of the JPEG that begins at `start`, and where it ends."""
    found: list[tuple[int, bytes]] = []
    at = start + 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xDA:
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        found.append((data[at + 1], data[at + 4 : at + 2 + length]))
        at += 2 + max(2, length)
    # Within the pixels FF is followed by 00 or a restart mark; a thumbnail's end mark lies in a segment before.
    end = data.find(b"\xff\xd9", at)
    return found, len(data) if end < 0 else end + 2


def _xmp(segments: list[tuple[int, bytes]]) -> Iterator[ElementTree.Element]:
    """The documents of the standard XMP and of each extended one, put together from its parts."""
    documents = [payload[len(_XMP) :] for marker, payload in segments if marker == 0xE1 and payload.startswith(_XMP)]
    parts: dict[bytes, list[tuple[int, bytes]]] = {}
    start = len(_MORE_XMP)
    for marker, payload in segments:
        if marker == 0xE1 and payload.startswith(_MORE_XMP) and len(payload) >= start + 40:
            (offset,) = struct.unpack(">I", payload[start + 36 : start + 40])
            parts.setdefault(payload[start : start + 32], []).append((offset, payload[start + 40 :]))
    documents += [b"".join(part for _, part in sorted(each)) for each in parts.values()]
    for document in documents:
        # Entities are no part of XMP, and a way to fill the memory.
        if b"<!DOCTYPE" in document or b"<!ENTITY" in document:
            continue
        # UTF-8 it is in a JPEG: in another encoding the look for entities would be blind.
        parser = ElementTree.XMLParser(encoding="utf-8")  # noqa: S314 - without entities, see above
        try:
            yield ElementTree.fromstring(document.strip(b"\0 \r\n\t"), parser)  # noqa: S314
        except ElementTree.ParseError:
            continue


def _properties(element: ElementTree.Element, wanted: Any) -> Properties:
    """An element's own properties in the namespaces that `wanted` accepts: attributes, and children with text."""
    found: Properties = {}
    for name, value in [*element.attrib.items(), *((child.tag, child.text or "") for child in element)]:
        space, _, local = name.removeprefix("{").rpartition("}")
        if wanted(space):
            found[local] = value.strip()
    return found


def _gdepth(roots: list[ElementTree.Element]) -> Embedded | None:
    properties: Properties = {}
    for root in roots:
        for element in root.iter():
            properties |= _properties(element, _GDEPTH.__eq__)
    if "Data" not in properties:
        return None
    try:
        raw = base64.b64decode(properties["Data"])
    except (binascii.Error, ValueError):
        raise DepthError("the depth map inside the photo is damaged (its base64 is broken)") from None
    return Embedded(_by_range(raw, properties), "GDepth map")


def _dynamic_depth(roots: list[ElementTree.Element], data: bytes, end: int) -> Embedded | None:
    items: list[Properties] = []
    properties: Properties = {}
    for root in roots:
        for element in root.iter():
            if item := _properties(element, lambda space: bool(_ITEM.match(space))):
                items.append(item)
            properties |= _properties(element, _DD_DEPTH.__eq__)
    for number, item in enumerate(items):
        if not number or not _is_depth(item, properties.get("DepthURI", "")):
            continue
        raw = _appended(items, number, data, end)
        if raw is None:
            raise DepthError("the depth map inside the photo is damaged (it is not where the photo says)")
        return Embedded(_by_range(raw, properties), "dynamic depth map")
    return None


def _is_depth(item: Properties, uri: str) -> bool:
    here = item.get("DataURI", "")
    if uri:
        return here == uri
    return item.get("Semantic", "").lower() == "depth" or here.lower().endswith("/depthmap")


def _appended(items: list[Properties], number: int, data: bytes, end: int) -> bytes | None:
    """The bytes of an item: they lie one after the other behind the first picture, up to the end of the file."""
    sizes = [(_whole(item.get("Length")), _whole(item.get("Padding"))) for item in items]
    length = sizes[number][0]
    before = end + sizes[0][1] + sum(size + padding for size, padding in sizes[1:number])
    behind = len(data) - sum(size + padding for size, padding in sizes[number:])
    for start in (before, behind):
        raw = data[start : start + length] if start >= 0 else b""
        if len(raw) == length > 0 and raw.startswith((_JPEG, _PNG)):
            return raw
    return None


def _whole(text: str | None) -> int:
    return int(text) if text and len(text) <= 20 and text.isdecimal() else 0


def _by_range(raw: bytes, properties: Properties) -> F32:
    """Depth of an encoded picture; "RangeInverse" is linear in 1/z and "RangeLinear" in z, both with 0 = near.

    RangeInverse: v = far (z - near) / (z (far - near)), so 1 - v is linear in 1/z.
    RangeLinear: v = (z - near) / (far - near).
    """
    values = _unit(raw)
    if properties.get("Format", "RangeInverse").lower() != "rangelinear":
        return 1 - values
    near, far = (_number(properties.get(name)) for name in ("Near", "Far"))
    if not 0 < near < far < float("inf"):
        return 1 - values
    inverse = 1 / (near + values.astype(np.float64) * (far - near))
    depth: F32 = ((inverse - 1 / far) / (1 / near - 1 / far)).astype(np.float32)
    return np.clip(depth, 0, 1)


def _number(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return float("nan")


def _further_jpeg(data: bytes, end: int) -> Embedded | None:
    """Apple's JPEGs: pictures one after the other, each telling in its own XMP what it is."""
    for _ in range(_MOST_PICTURES):
        start = data.find(_JPEG, end)
        if start < 0:
            break
        segments, end = _segments(data, start)
        for marker, payload in segments:
            if marker == 0xE1 and (found := _APPLE_TYPE.search(payload)):
                values = _unit(data[start:end])
                nearer = found[1].lower() == b"disparity"
                return Embedded(values if nearer else 1 - values, "Apple depth map")
    return None


# -- HEIF ------------------------------------------------------------------------------------------------------


def _heif(data: bytes) -> Embedded | None:
    import pillow_heif

    try:
        maps = [found for found in pillow_heif.open_heif(io.BytesIO(data)).info.get("depth_images", []) if found]
        if not maps:
            return None
        # The largest: some files carry a small one for a preview too.
        best = max(maps, key=lambda found: found.size[0] * found.size[1])
        image = best.to_pillow()
        image.load()
        kind = (best.info.get("metadata") or {}).get("representation_type", 0)
    except Exception as error:  # as when it decodes a photo
        raise DepthError(f"the depth map inside the photo is damaged ({error})") from None
    values = np.asarray(image)
    full = 255.0 if values.dtype == np.uint8 else 65535.0
    plane = np.asarray(values if values.ndim == 2 else values[:, :, 0], np.float32) / np.float32(full)
    return Embedded(1 - plane if kind == _UNIFORM_Z else plane, "HEIC depth map")


def _unit(raw: bytes) -> F32:
    """A grey picture as (h, w) float32 in [0, 1].

    Raises:
        DepthError: it is no picture, damaged, or in colour.
    """
    try:
        values = picture(raw)
    except ValueError as error:
        raise DepthError(f"the depth map inside the photo cannot be read: {error}") from None
    full = float(np.iinfo(values.dtype).max) if values.dtype.kind in "ui" else 1.0
    unit: F32 = np.clip(np.nan_to_num(values.astype(np.float32)) / np.float32(full), 0, 1)
    return unit
