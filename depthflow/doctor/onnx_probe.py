"""Runs a tiny network on each ONNX Runtime provider and prints a JSON line for each; a process of its own.

    python -m depthflow.doctor.onnx_probe

First {"version": ..., "available": [...]}, then before each trial {"trying": NAME}, after it {"tried": NAME,
"error": ""}: if a provider takes the process with it, the last line says which.
"""

from __future__ import annotations

import base64
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from depthflow.depth import providers
from depthflow.errors import DepthFlowError

# One 3x3 box convolution, x -> y, both (1, 1, 8, 8) float32, opset 17. A convolution, because that is what asks
# a GPU provider for all its libraries (cuDNN) where an addition would not.
_NETWORK = (
    "CAgSADqYAQoiCgF4CgF3EgF5IgRDb252KhEKBHBhZHNAAUABQAFAAaABBxIDYm94KjMIAQgBCAMIAxABQgF3SiQ5juM9OY7jPTmO4z05"
    "juM9OY7jPTmO4z05juM9OY7jPTmO4z1aGwoBeBIWChQIARIQCgIIAQoCCAEKAggICgIICGIbCgF5EhYKFAgBEhAKAggBCgIIAQoCCAgK"
    "AggIQgQKABAR"
)


def _print(**line: Any) -> None:
    print(json.dumps(line), flush=True)


def _try(model: Path, provider: str) -> str:
    """Why the provider does not work; empty if it gave the right numbers."""
    import numpy as np

    try:
        session = providers.open_session(model, provider)
        (out,) = session.run(["y"], {"x": np.ones((1, 1, 8, 8), np.float32)})
    except Exception as error:  # ONNX Runtime's errors share no base class but Exception
        lines = str(error).strip().splitlines()
        return lines[0] if lines else type(error).__name__
    # Nine ninths inside, six at an edge, four at a corner.
    right = abs(out[0, 0, 4, 4] - 1) < 1e-2 and abs(out[0, 0, 0, 0] - 4 / 9) < 1e-2
    return "" if right else "it computes wrong numbers"


def main() -> int:
    try:
        version = str(providers.runtime().__version__)
        available = providers.available()
    except DepthFlowError as error:
        _print(error=error.message, hint=error.hint)
        return error.exit_code
    _print(version=version, available=available)
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "box.onnx"
        model.write_bytes(base64.b64decode(_NETWORK))
        for provider in providers.candidates("auto", available):
            _print(trying=provider)
            _print(tried=provider, error=_try(model, provider))
    return 0


if __name__ == "__main__":
    sys.exit(main())
