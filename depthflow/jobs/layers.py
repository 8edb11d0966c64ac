"""What a photo is cut into, as files: pictures, depth maps, the mask of what is invented, NumPy arrays and a 3D scene.

The cut is the one that a job's motion asks for, at the photo's own size. Nothing is drawn: this needs no OpenGL.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from depthflow.images import Limits, Photo, load_photo
from depthflow.jobs.depth import CACHE_BYTES, depth_of
from depthflow.jobs.library import resolve
from depthflow.jobs.pipeline import cameras_of
from depthflow.jobs.planning import BACKGROUND, laid
from depthflow.jobs.spec import JobSpec
from depthflow.progress import CancelToken
from depthflow.render.fill import named
from depthflow.scene import framing
from depthflow.scene.camera import photo_extent

U8 = NDArray[np.uint8]

OURS = re.compile(r"layer_\d(_depth)?\.png|mask\.png|layers\.(npz|glb)")
"""Names of the files that are written."""

_OFF = 0.5
"""Pixels of the photo that the 3D scene's depth may be off at the motion's farthest point."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """One layer of a photo, row 0 on top.

    Attributes:
        rgba: (H, W, 4) uint8 sRGB with straight alpha.
        depth: (H, W) float32 in [0, 1], 1 = nearest.
        shown: (H, W) where the motion may see it.
    """

    rgba: U8
    depth: NDArray[np.float32]
    shown: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class LayeredPhoto:
    """A photo in layers.

    Attributes:
        sheets: from the farthest to the nearest; laid over each other they are the photo.
        mask: (H, W) where a layer behind another has invented depth and colour.
        fov, relief: the camera that sees them as the photo: field of view across the longer side in degrees, and
            inverse depth 1 + relief * depth.
        glb: the same as a glTF 2.0 binary.
    """

    sheets: tuple[Sheet, ...]
    mask: NDArray[np.bool_]
    fov: float
    relief: float
    glb: bytes


def layers_of(photo: Photo, depth: NDArray[np.float32], spec: JobSpec) -> LayeredPhoto:
    """Cut a photo as a job's first output needs it.

    Args:
        depth: (h, w) float32 in [0, 1], 1 = nearest, no larger than the photo.
        spec: a resolved job.
    """
    from depthflow.opencv import cv2
    from depthflow.render.gltf import glb
    from depthflow.render.layers import peel
    from depthflow.render.mesh import build_mesh, parted

    width, height = photo.size
    extent = photo_extent(photo.size)
    cameras = framing.sample(cameras_of(spec, spec.outputs[0], depth))
    if spec.render.edge == "zoom":
        zoom = framing.hide_edges(cameras, depth, extent, extent)
        cameras = [framing.zoomed(camera, zoom) for camera in cameras]
    reach = framing.reach(cameras, extent)
    shift = reach * depth.shape[1] / (2 * extent[0])
    cut = peel(photo.pixels, depth, shift, count=spec.layers.count, fill=named(spec.layers.fill))
    error = float(np.clip(_OFF * 2 * extent[0] / width / max(reach, 1e-9), 1e-4, 0.05))
    sheets, scene = [], []
    for layer in cut.sheets:
        rgba = _straight(layer.colour, photo.pixels)
        shown = np.ones(depth.shape, bool) if layer.shown is None else layer.shown
        # What keeps away from before the farthest thing is a hair farther.
        within = np.clip(layer.depth, 0.0, 1.0)
        sheets.append(
            Sheet(
                rgba,
                np.asarray(cv2.resize(within, (width, height), interpolation=cv2.INTER_LINEAR), np.float32),
                cv2.resize(shown.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST).astype(bool),
            )
        )
        mesh = build_mesh(layer.depth, extent=extent, error=error, margin=0.0, cared=layer.shown)
        scene.append((parted(mesh, rgba, extent=extent), _png(cv2.cvtColor(rgba, cv2.COLOR_RGBA2BGRA))))
    mask = cv2.resize(cut.disoccluded.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST).astype(bool)
    rest = cameras[0]
    model = glb(scene, extent=extent, fov=rest.fov, relief=rest.relief)
    return LayeredPhoto(tuple(sheets), mask, rest.fov, rest.relief, model)


def _straight(colour: U8, photo: U8) -> U8:
    """Colour that is not multiplied by alpha; what is clear has the photo's, so that no filter draws in black."""
    alpha = colour[..., 3]
    result = colour.copy()
    half = (alpha > 0) & (alpha < 255)
    result[half, :3] = np.clip(np.rint(colour[half, :3] * (255.0 / alpha[half, None])), 0, 255)
    result[alpha == 0, :3] = photo[alpha == 0]
    return result


def _png(pixels: Any) -> bytes:
    """A picture, colours in OpenCV's order, as PNG."""
    from depthflow.opencv import cv2

    return bytes(cv2.imencode(".png", pixels)[1])


def save(layered: LayeredPhoto, folder: Path, *, overwrite: bool = False) -> list[Path]:
    """Write everything into a folder: all of it, or nothing.

    layer_1.png is the farthest layer, layer_1_depth.png its depth (16 bits, white is near), mask.png what is invented,
    layers.npz all arrays, layers.glb the 3D scene.

    Raises:
        OutputError: files of these names are there and may not be replaced, or the folder cannot be written.
    """
    from depthflow.opencv import cv2
    from depthflow.video.workfile import WorkPlace, check_images, explain, publish_images

    check_images(folder, overwrite=overwrite, ours=OURS)
    work = WorkPlace(folder / "layers" if folder.is_dir() else folder, folder=True)
    try:
        for number, sheet in enumerate(layered.sheets, start=1):
            grey = np.rint(sheet.depth * 65535).astype(np.uint16)
            (work.path / f"layer_{number}.png").write_bytes(_png(cv2.cvtColor(sheet.rgba, cv2.COLOR_RGBA2BGRA)))
            (work.path / f"layer_{number}_depth.png").write_bytes(_png(grey))
        (work.path / "mask.png").write_bytes(_png(layered.mask.astype(np.uint8) * 255))
        (work.path / "layers.glb").write_bytes(layered.glb)
        np.savez_compressed(
            work.path / "layers.npz",
            rgba=np.stack([sheet.rgba for sheet in layered.sheets]),
            depth=np.stack([sheet.depth for sheet in layered.sheets]),
            shown=np.stack([sheet.shown for sheet in layered.sheets]),
            mask=layered.mask,
            fov=layered.fov,
            relief=layered.relief,
        )
        names = sorted(file.name for file in work.path.iterdir())
        deeper = itertools.count(len(layered.sheets) + 1)
        after = (f"layer_{number}{kind}.png" for number in deeper for kind in ("", "_depth"))
        publish_images(work, folder, overwrite=overwrite, ours=OURS, after=after)
    except OSError as error:
        work.discard()
        from depthflow.errors import OutputError

        raise error if isinstance(error, OutputError) else explain(error, folder) from error
    except BaseException:
        work.discard()
        raise
    return [folder / name for name in names]


def export_layers(
    spec: JobSpec,
    folder: Path,
    *,
    overwrite: bool = False,
    warn: Callable[[str], None] = lambda _: None,
    cancel: CancelToken | None = None,
    limits: Limits | None = None,
    cache_bytes: int = CACHE_BYTES,
    stdin: BinaryIO | None = None,
) -> list[Path]:
    """Photo in, files out; what `depthflow layers` does.

    Args:
        spec: whose photo, depth, motion, camera and layers count; its first output's times.
        folder: where the files go; made if it is not there.
        warn: told what is not as asked for.

    Raises:
        UsageError, InputError, SystemError_, Cancelled: see `depthflow.errors`. Nothing is left half-written.
    """
    from depthflow.video.workfile import check_images

    cancel = cancel or CancelToken()
    spec = resolve(spec)
    named(spec.layers.fill)
    check_images(folder, overwrite=overwrite, ours=OURS)
    photo = load_photo(spec.photo, limits=limits or Limits(), stdin=stdin)
    for note in photo.notes:
        warn(note)
    if photo.alpha is not None:
        behind = spec.render.background or BACKGROUND
        warn(f"the transparent photo lies on {behind}, because the alpha of layers is that of their edges")
    photo = laid(photo, spec)
    cancel.check()
    depth = depth_of(photo, spec.depth, warn=warn, cache_bytes=cache_bytes)
    cancel.check()
    layered = layers_of(photo, depth, spec)
    cancel.check()
    return save(layered, folder, overwrite=overwrite)
