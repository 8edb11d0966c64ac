"""Writes layered, textured meshes as glTF 2.0 binary (.glb) with the camera that took the photo. No GL, no files.

The format: Khronos Group, glTF 2.0 Specification, https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html; pictures
keep their brightness by the extension KHR_materials_unlit.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depthflow.render.mesh import Mesh

_FLOAT, _UINT32 = 5126, 5125
_VERTICES, _INDICES = 34962, 34963
_LINEAR, _TRILINEAR, _MIRRORED = 9729, 9987, 33648


@dataclass
class _Document:
    """A glTF document that grows: its JSON, and the binary chunk that it points into."""

    json: dict[str, Any]
    binary: bytearray = field(default_factory=bytearray)

    def add(self, kind: str, item: dict[str, Any]) -> int:
        items = self.json.setdefault(kind, [])
        items.append(item)
        return len(items) - 1

    def view(self, data: bytes, target: int | None = None) -> int:
        """A buffer view of new bytes; all begin at multiples of four."""
        view = {"buffer": 0, "byteOffset": len(self.binary), "byteLength": len(data)}
        self.binary += data + bytes(-len(data) % 4)
        return self.add("bufferViews", view | ({} if target is None else {"target": target}))

    def accessor(self, values: NDArray[Any], kind: str) -> int:
        """An accessor of (N, K) float32 vertices or (N,) uint32 indices."""
        indices = values.dtype == np.uint32
        item: dict[str, Any] = {
            "bufferView": self.view(values.tobytes(), _INDICES if indices else _VERTICES),
            "componentType": _UINT32 if indices else _FLOAT,
            "count": len(values),
            "type": kind,
        }
        if not indices:
            item |= {"min": values.min(0).tolist(), "max": values.max(0).tolist()}
        return self.add("accessors", item)

    def bytes(self) -> bytes:
        self.json["buffers"] = [{"byteLength": len(self.binary)}]
        text = json.dumps(self.json, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 4)
        chunks = struct.pack("<I4s", len(text), b"JSON") + text
        chunks += struct.pack("<I4s", len(self.binary), b"BIN\0") + bytes(self.binary)
        return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


def glb(layers: Sequence[tuple[Mesh, bytes]], *, extent: tuple[float, float], fov: float, relief: float) -> bytes:
    """A .glb file of layers and the camera that sees them as the photo.

    One unit is the distance of the farthest thing; the camera stands in the origin, looks along -z, y is up.

    Args:
        layers: from the farthest to the nearest: a mesh of `build_mesh`, and its picture as PNG with straight alpha.
        extent: half width and half height of the photo, in halves of its longer side.
        fov: field of view across the photo's longer side, degrees.
        relief: inverse depth is 1 + relief * depth.
    """
    ray = math.tan(math.radians(fov) / 2)
    document = _Document(
        {
            "asset": {"version": "2.0", "generator": "DepthFlow"},
            "extensionsUsed": ["KHR_materials_unlit"],
            "scene": 0,
            "samplers": [{"magFilter": _LINEAR, "minFilter": _TRILINEAR, "wrapS": _MIRRORED, "wrapT": _MIRRORED}],
        }
    )
    for number, (mesh, picture) in enumerate(layers, start=1):
        _add_layer(document, f"layer {number}", mesh, picture, extent, ray, relief)
    lens = {"yfov": 2 * math.atan(ray * extent[1]), "aspectRatio": extent[0] / extent[1], "znear": 0.01, "zfar": 100.0}
    document.add("cameras", {"type": "perspective", "perspective": lens, "name": "photo"})
    document.add("nodes", {"name": "camera", "camera": 0})
    document.add("scenes", {"nodes": list(range(len(document.json["nodes"])))})
    return document.bytes()


def _add_layer(
    document: _Document, name: str, mesh: Mesh, picture: bytes, extent: tuple[float, float], ray: float, relief: float
) -> None:
    x, y, depth = mesh.positions.astype(np.float64).T
    # What lies wholly beyond one of the photo's sides is the renderer's need only.
    beyond = np.column_stack([x < -extent[0], x > extent[0], y < -extent[1], y > extent[1]])
    kept = ~np.any(np.all(beyond[mesh.triangles], axis=1), axis=1)
    used = np.zeros(len(x), bool)
    used[mesh.triangles[kept]] = True
    number = np.cumsum(used, dtype=np.uint32) - 1
    x, y, distance = x[used], y[used], 1 / (1 + relief * depth[used])
    positions = np.column_stack([x * ray * distance, y * ray * distance, -distance]).astype(np.float32)
    places = np.column_stack([(1 + x / extent[0]) / 2, (1 - y / extent[1]) / 2]).astype(np.float32)
    image = document.add("images", {"mimeType": "image/png", "bufferView": document.view(picture), "name": name})
    texture = document.add("textures", {"sampler": 0, "source": image})
    attributes = {"POSITION": document.accessor(positions, "VEC3"), "TEXCOORD_0": document.accessor(places, "VEC2")}
    primitives = []
    opaque = np.arange(len(kept)) < mesh.opaque
    for part, mode in ((kept & opaque, "OPAQUE"), (kept & ~opaque, "BLEND")):
        if not part.any():
            continue
        material = {
            "name": f"{name} {mode.lower()}",
            "pbrMetallicRoughness": {"baseColorTexture": {"index": texture}, "metallicFactor": 0.0},
            "alphaMode": mode,
            "doubleSided": True,
            "extensions": {"KHR_materials_unlit": {}},
        }
        indices = document.accessor(number[mesh.triangles[part]].astype(np.uint32).ravel(), "SCALAR")
        primitives.append(
            {"attributes": attributes, "indices": indices, "material": document.add("materials", material)}
        )
    index = document.add("meshes", {"name": name, "primitives": primitives})
    document.add("nodes", {"name": name, "mesh": index})
