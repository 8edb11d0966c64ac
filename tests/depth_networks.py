"""Tiny ONNX networks for the depth tests, whose output is known on paper."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper


def save_network(
    path: Path,
    *,
    shape: tuple[int | str, ...] = ("n", 3, "h", "w"),
    dtype: int = TensorProto.FLOAT,
    channel: int = 0,
    gain: float = 1.0,
    shift: float = 0.0,
    keep_channel: bool = False,
    reciprocal: bool = False,
) -> Path:
    """A network that gives back one channel: gain * x[channel] + shift, or one divided by that.

    The output is (N, H, W), or (N, 1, H, W) with keep_channel.
    """
    axis = 1 if shape[1] == 3 else 3
    element = np.float16 if dtype == TensorProto.FLOAT16 else np.float32
    constants = [
        helper.make_tensor("channel", TensorProto.INT64, [1] if keep_channel else [], [channel]),
        helper.make_tensor("gain", dtype, [], np.array([gain], element)),
        helper.make_tensor("shift", dtype, [], np.array([shift], element)),
    ]
    nodes = [
        helper.make_node("Gather", ["image", "channel"], ["one"], axis=axis),
        helper.make_node("Mul", ["one", "gain"], ["scaled"]),
        helper.make_node("Add", ["scaled", "shift"], ["linear"]),
        helper.make_node("Reciprocal" if reciprocal else "Identity", ["linear"], ["out"]),
    ]
    graph = helper.make_graph(
        nodes,
        "channel",
        [helper.make_tensor_value_info("image", dtype, list(shape))],
        [helper.make_tensor_value_info("out", dtype, None)],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(path))
    return path


class FakeSession:
    """What the estimator asks of an ONNX Runtime session, with an output made in Python."""

    def __init__(
        self, answer: Callable[[NDArray[Any]], NDArray[Any]], shape: tuple[Any, ...] = (1, 3, "h", "w")
    ) -> None:
        self._answer, self._shape = answer, shape

    def run(self, names: list[str], feeds: dict[str, Any]) -> list[Any]:
        return [self._answer(next(iter(feeds.values())))]

    def get_inputs(self) -> list[Any]:
        return [_Tensor("image", self._shape)]

    def get_outputs(self) -> list[Any]:
        return [_Tensor("disparity", (1, "h", "w"))]

    def get_providers(self) -> list[str]:
        return []


class _Tensor:
    def __init__(self, name: str, shape: tuple[Any, ...]) -> None:
        self.name, self.shape, self.type = name, list(shape), "tensor(float)"
