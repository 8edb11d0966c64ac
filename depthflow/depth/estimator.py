"""Runs a depth network over a photo and keeps its session warm; knows nothing of caches or refinement."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depthflow.depth import providers
from depthflow.depth.registry import InputRule, ModelInfo, find_model
from depthflow.depth.tensors import (
    PERCENTILE,
    defined,
    input_size,
    normalise,
    to_disparity,
    to_plane,
    to_tensor,
)
from depthflow.depth.tiles import MAX_TILES, grid, joined
from depthflow.depth.verify import checked_file
from depthflow.errors import DepthError, RuntimeMissingError, UsageError

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]
SessionFactory = Callable[[Path, str], providers.Session]

_LOAD_HINT = "the file may be damaged, or made for a newer ONNX Runtime: pip install -U onnxruntime"
_RUN_HINT = "try a smaller --network-size, or another model"
_DTYPES = {"tensor(float)": "float32", "tensor(float16)": "float16"}
MAX_BATCH = 4
"""Pictures in one run of a network that takes several; eight take half as much memory again and no less time."""


@dataclass(frozen=True, slots=True)
class DepthResult:
    """What a network saw.

    Attributes:
        depth: (h, w) float32 in [0, 1], 1 = nearest, linear in inverse depth, at the network's resolution; it
            covers the whole photo, though rounding may have changed the aspect ratio a little.
        model: the model's name.
        provider: where it ran, such as "cpu" or "cuda".
        seconds: wall time of preparation and inference, without loading the network; of several photos their mean.
        notes: what is not as asked for; lines for people.
    """

    depth: F32
    model: str
    provider: str
    seconds: float
    notes: tuple[str, ...] = ()


class Estimator:
    """One network on one provider, loaded at the first estimate and then kept.

    Thread-safe: loading happens once, ONNX Runtime runs a session from many threads. When a GPU provider
    fails, while loading or at a run, the next one takes over for good and the results carry one note.
    """

    def __init__(
        self,
        model: str | ModelInfo = "builtin",
        provider: str = "auto",
        *,
        open_session: SessionFactory = providers.open_session,
    ) -> None:
        """
        Args:
            model: name in the registry, path of an .onnx file, or its description.
            provider: "auto", or one of providers.ORT_NAMES.
            open_session: makes a session for a file and a provider.

        Raises:
            UnknownNameError, UsageError: no such model or provider.
            DepthError: the model's file is missing or damaged.
            RuntimeMissingError: no ONNX Runtime, or the provider asked for is not in it.
        """
        self.info = model if isinstance(model, ModelInfo) else find_model(model)
        self._left = providers.candidates(provider)
        self._file = checked_file(self.info)
        self._open = open_session
        self._lock = threading.RLock()
        self._session: providers.Session | None = None
        self._rule: InputRule = self.info.input
        self._batch = 1
        self._failures: list[str] = []

    @property
    def provider(self) -> str:
        """The provider in use, or the one that will be tried first."""
        return self._left[0]

    @property
    def notes(self) -> tuple[str, ...]:
        """What is not as asked for, so far."""
        notes = [] if self.info.verified or self.info.bare else [f"model {self.info.name!r} is not verified"]
        if self._failures:
            notes.append(f"{'; '.join(self._failures)}; used {self.provider} instead")
        return tuple(notes)

    def warm(self) -> providers.Session:
        """Load the network if it is not loaded.

        Raises:
            RuntimeMissingError: no provider could load it.
            DepthError: the file is no network that can be used here.
        """
        with self._lock:
            while self._session is None:
                try:
                    session = self._open(self._file, self.provider)
                    self._rule, self._batch = _settled(self.info, session)
                    self._session = session
                except (DepthError, RuntimeMissingError):
                    raise
                except Exception as error:
                    # ONNX Runtime's errors share no base class but Exception.
                    self._next(error, _LOAD_HINT)
            return self._session

    def estimate(
        self,
        pixels: U8,
        *,
        size: int | None = None,
        flip: bool = False,
        tiles: int = 1,
        percentile: float = PERCENTILE,
    ) -> DepthResult:
        """Depth of one photo.

        Args:
            pixels: (H, W, 3) uint8, sRGB, row 0 on top; any shape from 1x1.
            size: pixels of the side that the model's rule names, 32 to 8192, larger is sharper; None: its default.
            flip: average with the estimate of the mirrored photo; twice the time, a little steadier. Networks that
                do so themselves (ModelInfo.mirrored) run once all the same.
            tiles: look at the photo once more in parts, this many along its longer side, 1 to 8, for finer detail;
                of a photo that is too small for so many, as many as it has pixels for.
            percentile: this share of the pixels may be cut off at each end of the range, 0 to 20 percent.

        Raises:
            DepthError: the output is no usable depth map.
            RuntimeMissingError: no provider could run the network.
        """
        return self.estimate_all([pixels], size=size, flip=flip, tiles=tiles, percentile=percentile)[0]

    def estimate_all(
        self,
        photos: Sequence[U8],
        *,
        size: int | None = None,
        flip: bool = False,
        tiles: int = 1,
        percentile: float = PERCENTILE,
    ) -> list[DepthResult]:
        """Depth of several photos, those of one shape in one run where the network takes several; see `estimate`."""
        if not 0 <= percentile <= 20:
            raise UsageError(f"percentile {percentile:g} is out of range", "allowed: 0 to 20")
        self.warm()
        start = time.perf_counter()
        disparities = self.disparities(photos, size=size, flip=flip, tiles=tiles)
        depths = [normalise(each, percentile, 100 - percentile) for each in disparities]
        seconds = (time.perf_counter() - start) / max(1, len(photos))
        return [DepthResult(depth, self.info.name, self.provider, seconds, self.notes) for depth in depths]

    def disparities(
        self, photos: Sequence[U8], *, size: int | None = None, flip: bool = False, tiles: int = 1
    ) -> list[F32]:
        """Inverse depth as the network gives it, of unknown scale and shift, (h, w) float32 each; see `estimate`.

        The undefined is NaN; with flip or tiles all is finite and within about [0, 1].
        """
        for pixels in photos:
            if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8 or pixels.size == 0:
                raise UsageError(f"a photo is (H, W, 3) uint8, not {pixels.shape} {pixels.dtype}")
        if size is not None and not 32 <= size <= 8192:
            raise UsageError(f"network size {size} is out of range", "allowed: 32 to 8192")
        if not 1 <= tiles <= MAX_TILES:
            raise UsageError(f"{tiles} tiles are out of range", f"allowed: 1 to {MAX_TILES}")
        self.warm()
        whole = self._seen(photos, size, flip)
        if tiles == 1:
            return whole
        return [self._tiled(pixels, seen, size, flip, tiles) for pixels, seen in zip(photos, whole, strict=True)]

    def _tiled(self, pixels: U8, whole: F32, size: int | None, flip: bool, tiles: int) -> F32:
        height, width = pixels.shape[:2]
        # A tile smaller than what the network sees anyway shows it nothing new.
        tiles = min(tiles, max(1, round(max(width, height) / max(whole.shape))))
        places = grid(width, height, tiles)
        if len(places) == 1:
            return whole
        parts = self._seen([pixels[place.slices] for place in places], size, flip)
        return joined(normalise(whole, 0, 100), [defined(part) for part in parts], places, (width, height))

    def _seen(self, photos: Sequence[U8], size: int | None, flip: bool) -> list[F32]:
        """Inverse depth of photos of any shapes, each as a whole."""
        tensors = []
        for pixels in photos:
            height, width = pixels.shape[:2]
            tensors.append(to_tensor(pixels, self._rule, input_size(width, height, self._rule, size)))
        if not flip or self.info.mirrored:
            return self._run(tensors)
        axis = 3 if self._rule.layout == "NCHW" else 2
        found = self._run([*tensors, *(np.ascontiguousarray(np.flip(tensor, axis)) for tensor in tensors)])
        half = len(tensors)
        return [_merged(one, two[:, ::-1]) for one, two in zip(found[:half], found[half:], strict=True)]

    def close(self) -> None:
        """Free the network's memory; a later estimate loads it again."""
        with self._lock:
            self._session = None

    def __enter__(self) -> Estimator:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self, tensors: list[NDArray[Any]]) -> list[F32]:
        """Inverse depth of each tensor; those of one shape go through the network together, as far as it allows."""
        found: dict[int, F32] = {}
        by_shape: dict[tuple[int, ...], list[int]] = {}
        for i, tensor in enumerate(tensors):
            by_shape.setdefault(tensor.shape, []).append(i)
        for numbers in by_shape.values():
            for start in range(0, len(numbers), self._batch):
                some = numbers[start : start + self._batch]
                found.update(zip(some, self._disparity([tensors[i] for i in some]), strict=True))
        return [found[i] for i in range(len(tensors))]

    def _disparity(self, tensors: list[NDArray[Any]]) -> list[F32]:
        batch = tensors[0] if len(tensors) == 1 else np.concatenate(tensors)
        while True:
            session = self.warm()
            name = self.info.output.name or session.get_outputs()[0].name
            try:
                output = np.asarray(session.run([name], {self._rule.name: batch})[0])
            except Exception as error:
                if len(tensors) > 1:  # too much memory, or a graph made for one picture whatever it says
                    self._batch = 1
                    break
                with self._lock:
                    if self._session is session:  # else another thread has already moved on
                        self._session = None
                        self._next(error, _RUN_HINT)
                continue
            if len(tensors) == 1:
                outputs = [output]
            elif output.shape[:1] == (len(tensors),):
                outputs = [output[i : i + 1] for i in range(len(tensors))]
            else:  # it takes several and answers for one
                self._batch = 1
                break
            return [to_disparity(to_plane(each, self.info.name), self.info.output) for each in outputs]
        return [plane for tensor in tensors for plane in self._disparity([tensor])]

    def _next(self, error: Exception, hint: str) -> None:
        """Give up the provider in use; the last one's failure is the network's."""
        reason = _first_line(error)
        if len(self._left) == 1:
            raise DepthError(
                f"{self._file.name}: the network cannot be run on {self.provider}: {reason}",
                hint,
            ) from error
        self._failures.append(f"{self.provider} failed: {reason}")
        self._left = self._left[1:]


def _first_line(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 200 else text[:199] + "…"


def _settled(info: ModelInfo, session: providers.Session) -> tuple[InputRule, int]:
    """The input rule with what only the network itself can tell: names, type, fixed sizes, layout; and its batch.

    Raises:
        DepthError: the network does not take one picture of three channels, or lacks the named tensors.
    """
    inputs = {tensor.name: tensor for tensor in session.get_inputs()}
    outputs = [tensor.name for tensor in session.get_outputs()]
    name = info.input.name or next(iter(inputs), "")
    if name not in inputs or (info.output.name and info.output.name not in outputs):
        raise DepthError(
            f"model {info.name!r} has no input {name!r} or no output {info.output.name!r}",
            f"it has inputs {', '.join(inputs)} and outputs {', '.join(outputs)}",
        )
    tensor = inputs[name]
    rule: dict[str, Any] = {"name": name}
    shape = list(tensor.shape)
    if len(shape) != 4 or tensor.type not in _DTYPES or len(inputs) != 1:
        raise DepthError(
            f"model {info.name!r} takes {tensor.type} {shape}, not one picture of floats",
            "use a depth network",
        )
    rule["dtype"] = _DTYPES[tensor.type]
    if info.bare:
        rule["layout"] = "NHWC" if shape[3] == 3 and shape[1] != 3 else "NCHW"
    layout = rule.get("layout", info.input.layout)
    channels, fixed = (shape[1], shape[2:4]) if layout == "NCHW" else (shape[3], shape[1:3])
    if isinstance(channels, int) and channels != 3:
        raise DepthError(f"model {info.name!r} takes {channels} channels, not 3", "use a network for RGB photos")
    if all(isinstance(side, int) and side > 0 for side in fixed):
        # Whatever the registry says: a network of fixed size takes no other.
        rule |= {"resize": "stretch", "fixed": tuple(fixed)}
    return info.input.model_copy(update=rule), 1 if isinstance(shape[0], int) else MAX_BATCH


def _merged(one: F32, two: F32) -> F32:
    """Mean of two inverse depths whose scale and shift may differ: both are brought to [0, 1] first."""
    mean: F32 = (normalise(one) + normalise(two)) * np.float32(0.5)
    return mean


MAX_WARM = 3
"""Estimators that one process keeps; each holds its network in memory, on a GPU in its scarce memory."""
_cache: dict[tuple[str, str], Estimator] = {}
_cache_lock = threading.Lock()


def get_estimator(model: str = "builtin", provider: str = "auto") -> Estimator:
    """The process-wide estimator of this model and provider; made once, loaded at its first estimate.

    The least recently asked-for one beyond MAX_WARM is closed; who still runs it is not disturbed.

    Raises: as Estimator().
    """
    with _cache_lock:
        found = _cache.pop((model, provider), None) or Estimator(model, provider)
        _cache[model, provider] = found  # a dict keeps its order: the last is the latest
        while len(_cache) > MAX_WARM:
            _cache.pop(next(iter(_cache))).close()
        return found


def close_estimators() -> None:
    """Free all warm networks of this process."""
    with _cache_lock:
        while _cache:
            _cache.popitem()[1].close()


def estimate(
    pixels: U8,
    *,
    model: str = "builtin",
    provider: str = "auto",
    size: int | None = None,
    flip: bool = False,
    tiles: int = 1,
    percentile: float = PERCENTILE,
) -> DepthResult:
    """Depth of one photo with the process's warm network; see Estimator.estimate."""
    return get_estimator(model, provider).estimate(pixels, size=size, flip=flip, tiles=tiles, percentile=percentile)
