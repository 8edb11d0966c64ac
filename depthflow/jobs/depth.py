"""The depth stage of a job: which depth a photo has, and how it becomes the map that the mesh is made of."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from depthflow import paths
from depthflow.images import Photo
from depthflow.jobs.spec import DepthSpec

F32 = NDArray[np.float32]
Warn = Callable[[str], None]

GRID = 1024
"""Longest side of the depth map that the mesh is made of, pixels."""
CACHE_BYTES = 512 << 20
SMALL = 0.5
"""A given depth map whose longer side is below this part of the grid's is brought to the photo's edges."""
_WHOLE = 0.01
"""How far from whole the levels of an 8-bit map may be."""
_MASK_LEVELS = 8
_STAIRS = 1.5
"""Pixels of the mesh's depth map over which the stairs of 8 bits are smoothed: more or less leaves more triangles."""
EMBEDDED_ASPECT = 1.15
"""A depth map inside a photo may be this much wider or narrower: it is to be stretched over the photo."""
FLAT = 0.05
"""A given depth map that spans less than this part of its range is told of: it would hardly move."""


@dataclass(frozen=True, slots=True)
class Found:
    """Depth as it was found, before its edges are refined.

    Attributes:
        depth: (h, w) float32 in [0, 1], 1 = nearest, of its own resolution.
        origin: "file", "photo" (embedded in it), "cache" or "network".
        name: the file or the model.
        provider: where the network ran; None if it did not run.
    """

    depth: F32
    origin: str
    name: str
    provider: str | None = None

    @property
    def given(self) -> bool:
        """A person or a camera made it, and no network of ours."""
        return self.origin in ("file", "photo")


def depth_of(
    photo: Photo,
    spec: DepthSpec,
    *,
    warn: Warn = lambda _: None,
    cache_bytes: int = CACHE_BYTES,
    beside: bool = True,
    begun: Future[F32] | None = None,
) -> F32:
    """The depth map that the mesh is made of, (h, w) float32 in [0, 1], longest side at most GRID.

    Args:
        warn, cache_bytes, beside, begun: see `find_depth`.
    """
    width, height = photo.size
    scale = min(1.0, GRID / max(width, height))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    found = find_depth(photo, spec, warn=warn, cache_bytes=cache_bytes, beside=beside, begun=begun)
    depth = fitted(found, photo, spec, size)
    return _unstepped(depth) if found.given and _has_8_bits(found.depth) else depth


def begin(spec: DepthSpec) -> Future[F32] | None:
    """Begin what takes no photo, on a thread of its own, for `depth_of`.

    That is to read the depth map, if one is named; else what refining takes once in a process: OpenCV's tables of Lab,
    0.06 s of a core.
    """
    # No daemon: those that come back from C++ while Python ends take the process down.
    pool = ThreadPoolExecutor(1, thread_name_prefix="depthflow-depth-begin")
    try:
        if spec.file is not None:
            return pool.submit(_read, spec, spec.file)
        pool.submit(_tables_of_lab)
        return None
    finally:
        pool.shutdown(wait=False)


def _tables_of_lab() -> None:
    from depthflow.opencv import cv2

    cv2.cvtColor(np.zeros((1, 1, 3), np.uint8), cv2.COLOR_RGB2LAB)


def _read(spec: DepthSpec, file: str | Path) -> F32:
    """A depth map of any shape."""
    from depthflow.depth.files import load_depth

    return load_depth(file, photo_size=None, invert=spec.invert, percentile=spec.percentile)


def check_named(spec: DepthSpec) -> None:
    """Whether the depth map that is named is a file, before any work is done.

    Raises:
        DepthError: it is not there.
    """
    if spec.file is not None and not paths.exists(paths.expanded(spec.file)):
        from depthflow.errors import DepthError

        raise DepthError(f"{spec.file}: no such depth file", "check the path")


def find_depth(
    photo: Photo,
    spec: DepthSpec,
    *,
    warn: Warn = lambda _: None,
    cache_bytes: int = CACHE_BYTES,
    beside: bool = True,
    begun: Future[F32] | None = None,
) -> Found:
    """A photo's depth: the file that was named, else one beside it, else what is inside the photo, else the network's.

    Args:
        warn: told what is not as asked for, in lines for people.
        cache_bytes: what the cache of depth maps may hold; 0 leaves it alone.
        beside: whether to look for a depth map beside the photo.
        begun: what `begin` gave for this very spec.

    Raises:
        DepthError: the depth map, or the network, cannot be used.
    """
    file = spec.file or (_beside(photo.source) if beside else None)
    if file is None:
        inside = _inside(photo, spec, warn) if spec.embedded and photo.carrier is not None else None
        return inside or _estimate(photo, spec, warn, cache_bytes)
    from depthflow.depth.files import check_shape

    if spec.file is None:
        warn(f"depth from {file}, which lies beside the photo")
    depth = begun.result() if spec.file is not None and begun is not None else _read(spec, file)
    if not spec.stretch:
        check_shape(paths.expanded(file), (depth.shape[1], depth.shape[0]), photo.size)
    _warn_if_flat(depth, str(file), spec, warn)
    return Found(depth, "file", str(file))


def fitted(found: Found, photo: Photo, spec: DepthSpec, size: tuple[int, int]) -> F32:
    """Depth at `size` (width, height), its edges those of the photo, its tone as the spec has it.

    A given map is left as it is, but for averaging down where it is larger, and refining where it is much smaller.
    """
    from depthflow.depth.refine import refine
    from depthflow.depth.tensors import toned

    depth = found.depth
    if not found.given or max(depth.shape) < SMALL * max(size):
        depth = refine(depth, photo.pixels, size)
    else:
        depth = _shrink(depth, size)
    return toned(depth, far=spec.far, near=spec.near, gamma=spec.gamma)


def _has_8_bits(depth: F32) -> bool:
    """Whether it has the steps of 8 bits; the few levels of a mask are no steps of anything."""
    levels = depth[::4, ::4] * 255
    whole = np.rint(levels)
    if float(np.abs(whole - levels).max()) >= _WHOLE:
        return False
    return int(np.count_nonzero(np.bincount(whole.astype(np.uint8).ravel()))) > _MASK_LEVELS


def _unstepped(depth: F32) -> F32:
    """A map that had 8 bits with its stairs smoothed, never by more than half a step: it knows no more.

    At full size a step moves by half a pixel on screen, and every stair would cost triangles. Within half a step no
    edge is blurred that anybody could see, so a plain blur will do.
    """
    from depthflow.opencv import cv2

    smooth = cv2.GaussianBlur(depth, (0, 0), _STAIRS)
    return np.clip(smooth, np.maximum(depth - 0.5 / 255, 0), np.minimum(depth + 0.5 / 255, 1)).astype(np.float32)


def is_local(source: str) -> bool:
    """A photo of this name is a file here: no address, no standard input."""
    return source != "-" and "://" not in source


def _beside(source: str) -> Path | None:
    """The depth map that lies beside a photo's file; photos of memory, standard input and the web have no file."""
    from depthflow.depth.files import sidecar

    file = paths.expanded(source)
    return sidecar(file) if is_local(source) and file.is_file() else None


def _inside(photo: Photo, spec: DepthSpec, warn: Warn) -> Found | None:
    """The depth map that the photo carries; one that cannot be used is told of, for a network can replace it."""
    from depthflow.depth.embedded import embedded_depth
    from depthflow.errors import DepthError
    from depthflow.images_decode import turned

    assert photo.carrier is not None  # noqa: S101 - the caller has seen to it
    try:
        found = embedded_depth(photo.carrier)
    except DepthError as error:
        warn(f"{photo.source}: {error.message}; depth is estimated instead")
        return None
    if found is None:
        return None
    # libheif turns what it decodes; a JPEG's map lies as its photo does, unless the phone turned it already.
    ways = [found.depth] if found.kind.startswith("HEIC") else [turned(found.depth, photo.orientation), found.depth]
    fitting = [depth for depth in ways if _alike(depth.shape, photo.size)]
    if not fitting:
        height, width = found.depth.shape
        warn(f"{photo.source}: the depth map inside is {width}x{height}, another shape; depth is estimated instead")
        return None
    name = f"{found.kind} inside the photo"
    warn(f"depth from the {name}; --no-embedded-depth estimates it instead")
    _warn_if_flat(fitting[0], name, spec, warn)
    depth: F32 = 1 - fitting[0] if spec.invert else fitting[0]
    return Found(depth, "photo", name)


def _alike(shape: tuple[int, ...], photo: tuple[int, int]) -> bool:
    """Whether both are about as wide as they are high; phones stretch their maps by a few percent."""
    ratio = shape[1] * photo[1] / (shape[0] * photo[0])
    return 1 / EMBEDDED_ASPECT <= ratio <= EMBEDDED_ASPECT


def _warn_if_flat(depth: F32, name: str, spec: DepthSpec, warn: Warn) -> None:
    # A few wild pixels are no relief; some 60,000 of them tell as much as all. (np.percentile imports numpy.ma, 10 ms.)
    step = max(3, round((depth.size / 60_000) ** 0.5))
    levels = np.sort(depth[::step, ::step], axis=None)
    low, high = (float(levels[round(part * (levels.size - 1))]) for part in (0.005, 0.995))
    if float(depth.max()) - float(depth.min()) < 1e-6:
        warn(f"{name}: the depth map is one plane: nothing will move against anything else")
    elif high - low < FLAT and (spec.far, spec.near) == (0.0, 1.0):
        far, near = max(0.0, low - 5e-4), min(1.0, high + 5e-4)
        warn(
            f"{name}: the depth map spans {high - low:.1%} of its range, so the picture will hardly move; "
            f"for all of it add --depth-far {far:.3f} --depth-near {near:.3f}"
        )


def _estimate(photo: Photo, spec: DepthSpec, warn: Warn, cache_bytes: int) -> Found:
    from depthflow.depth.cache import DepthCache, depth_key
    from depthflow.depth.registry import usable_model

    info, instead = usable_model(spec.model, spec.fallback)
    if instead:
        warn(instead)
    cache = DepthCache(max_bytes=cache_bytes) if cache_bytes else None
    key = depth_key(
        photo.digest(), info, size=spec.network_size, flip=spec.flip, tiles=spec.tiles, percentile=spec.percentile
    )
    depth = cache.get(key) if cache is not None else None
    provider = None
    if depth is None:
        from depthflow.depth.estimator import estimate

        result = estimate(
            photo.pixels,
            model=info.name if instead else spec.model,
            provider=spec.provider,
            size=spec.network_size,
            flip=spec.flip,
            tiles=spec.tiles,
            percentile=spec.percentile,
        )
        for note in result.notes:
            warn(note)
        depth, provider = result.depth, result.provider
        if cache is not None:
            cache.put(key, depth)
    origin = "cache" if provider is None else "network"
    return Found(1.0 - depth if spec.invert else depth, origin, info.name, provider)


def _shrink(depth: F32, size: tuple[int, int]) -> F32:
    """A depth map averaged down to `size` (width, height) where it is larger."""
    from depthflow.opencv import cv2

    if depth.shape[1] <= size[0] and depth.shape[0] <= size[1]:
        return depth
    return np.asarray(cv2.resize(depth, size, interpolation=cv2.INTER_AREA), np.float32)
