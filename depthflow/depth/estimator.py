"""Runs a depth network over a photo and keeps its session warm; knows nothing of caches or refinement."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depthflow.depth import providers
from depthflow.depth.registry import InputRule, ModelInfo, find_model
from depthflow.depth.tensors import input_size, normalise, to_disparity, to_plane, to_tensor
from depthflow.depth.verify import checked_file
from depthflow.errors import DepthError, RuntimeMissingError, UsageError

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]
SessionFactory = Callable[[Path, str], providers.Session]

_LOAD_HINT = "the file may be damaged, or made for a newer ONNX Runtime: pip install -U onnxruntime"
_RUN_HINT = "try a smaller --network-size, or another model"
_DTYPES = {"tensor(float)": "float32", "tensor(float16)": "float16"}


@dataclass(frozen=True, slots=True)
class DepthResult:
    """What a network saw.

    Attributes:
        depth: (h, w) float32 in [0, 1], 1 = nearest, linear in inverse depth, at the network's resolution; it
            covers the whole photo, though rounding may have changed the aspect ratio a little.
        model: the model's name.
        provider: where it ran, such as "cpu" or "cuda".
        seconds: wall time of preparation and inference, without loading the network.
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
                    self._rule = _settled(self.info, session)
                    self._session = session
                except (DepthError, RuntimeMissingError):
                    raise
                except Exception as error:
                    # ONNX Runtime's errors share no base class but Exception.
                    self._next(error, _LOAD_HINT)
            return self._session

    def estimate(self, pixels: U8, *, size: int | None = None, flip: bool = False) -> DepthResult:
        """Depth of one photo.

        Args:
            pixels: (H, W, 3) uint8, sRGB, row 0 on top; any shape from 1x1.
            size: pixels of the side that the model's rule names, larger is sharper; None: its default.
            flip: average with the estimate of the mirrored photo; twice the time, a little steadier.

        Raises:
            DepthError: the output is no usable depth map.
            RuntimeMissingError: no provider could run the network.
        """
        if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8 or pixels.size == 0:
            raise UsageError(f"a photo is (H, W, 3) uint8, not {pixels.shape} {pixels.dtype}")
        if size is not None and not 32 <= size <= 8192:
            raise UsageError(f"network size {size} is out of range", "allowed: 32 to 8192")
        self.warm()
        start = time.perf_counter()
        height, width = pixels.shape[:2]
        tensor = to_tensor(pixels, self._rule, input_size(width, height, self._rule, size))
        disparity = self._disparity(tensor)
        if flip:
            mirrored = np.ascontiguousarray(np.flip(tensor, 3 if self._rule.layout == "NCHW" else 2))
            disparity = _merged(disparity, self._disparity(mirrored)[:, ::-1])
        depth = normalise(disparity)
        seconds = time.perf_counter() - start
        return DepthResult(depth, self.info.name, self.provider, seconds, self.notes)

    def close(self) -> None:
        """Free the network's memory; a later estimate loads it again."""
        with self._lock:
            self._session = None

    def __enter__(self) -> Estimator:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _disparity(self, tensor: NDArray[Any]) -> F32:
        while True:
            session = self.warm()
            name = self.info.output.name or session.get_outputs()[0].name
            try:
                output = session.run([name], {self._rule.name: tensor})[0]
            except Exception as error:
                with self._lock:
                    if self._session is session:  # else another thread has already moved on
                        self._session = None
                        self._next(error, _RUN_HINT)
                continue
            return to_disparity(to_plane(output, self.info.name), self.info.output)

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


def _settled(info: ModelInfo, session: providers.Session) -> InputRule:
    """The input rule with what only the network itself can tell: names, type, fixed sizes, layout.

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
    return info.input.model_copy(update=rule)


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
    pixels: U8, *, model: str = "builtin", provider: str = "auto", size: int | None = None, flip: bool = False
) -> DepthResult:
    """Depth of one photo with the process's warm network; see Estimator.estimate."""
    return get_estimator(model, provider).estimate(pixels, size=size, flip=flip)
