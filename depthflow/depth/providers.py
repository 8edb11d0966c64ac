"""Which ONNX Runtime providers there are, in what order they are tried, how a session is made; no depth."""

from __future__ import annotations

import contextlib
import io
import platform
from pathlib import Path
from typing import Any, Protocol

from depthflow import processors
from depthflow.errors import RuntimeMissingError, UsageError

ORT_NAMES: dict[str, str] = {
    "tensorrt": "TensorrtExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "rocm": "ROCMExecutionProvider",
    "migraphx": "MIGraphXExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "directml": "DmlExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "cpu": "CPUExecutionProvider",
}
AUTO_ORDER = ("cuda", "rocm", "migraphx", "coreml", "directml", "cpu")
"""What `auto` tries. TensorRT and OpenVINO compile for minutes or change numbers: only when asked for."""

_INSTALL = {
    "cuda": "pip install 'depthflow-studio[gpu]'",
    "tensorrt": "pip install 'depthflow-studio[gpu]' tensorrt",
    "rocm": "pip install onnxruntime-rocm",
    "migraphx": "pip install onnxruntime-migraphx",
    "coreml": "pip install 'depthflow-studio[cpu]' on macOS",
    "directml": "pip install onnxruntime-directml on Windows",
    "openvino": "pip install onnxruntime-openvino",
    "cpu": "pip install 'depthflow-studio[cpu]'",
}
_MAX_THREADS = 16
_QUIET = 3  # ORT severity: errors and worse; its warnings speak of graph nodes that nobody can change


class Session(Protocol):
    """What the estimator needs of an onnxruntime.InferenceSession."""

    def run(self, names: list[str], feeds: dict[str, Any]) -> Any: ...
    def get_inputs(self) -> Any: ...
    def get_outputs(self) -> Any: ...
    def get_providers(self) -> list[str]: ...


def runtime() -> Any:
    """The module onnxruntime.

    Raises:
        RuntimeMissingError: it is not installed, or its own libraries are missing.
    """
    try:
        import onnxruntime
    except ImportError as error:
        hint = f"install it: {_INSTALL['cpu']} (or, for NVIDIA GPUs, {_INSTALL['cuda']})"
        missing = isinstance(error, ModuleNotFoundError) and error.name == "onnxruntime"
        text = "ONNX Runtime is not installed" if missing else f"ONNX Runtime cannot be loaded: {error}"
        raise RuntimeMissingError(text, hint) from None
    return onnxruntime


def available() -> list[str]:
    """Our names of the providers that the installed ONNX Runtime was built with, best first."""
    built = set(runtime().get_available_providers())
    return [name for name, ort in ORT_NAMES.items() if ort in built]


def candidates(provider: str, there: list[str] | None = None) -> list[str]:
    """Providers to try, in order. An explicit choice still has the CPU behind it, for a GPU that fails.

    Args:
        provider: one of ORT_NAMES, or "auto".
        there: what is available; asked of the runtime if not given.

    Raises:
        UsageError: no such provider.
        RuntimeMissingError: asked for by name, and not in the installed ONNX Runtime.
    """
    if provider != "auto" and provider not in ORT_NAMES:
        raise UsageError(f"unknown provider {provider!r}", f"known: auto, {', '.join(ORT_NAMES)}")
    there = available() if there is None else there
    if provider == "auto":
        return [name for name in AUTO_ORDER if name in there] or ["cpu"]
    if provider not in there:
        raise RuntimeMissingError(
            f"provider {provider!r} is not in the installed ONNX Runtime; available: {', '.join(there)}",
            f"for it: {_INSTALL[provider]} (first uninstall the other onnxruntime), or use --provider auto",
        )
    return list(dict.fromkeys((provider, "cpu")))


def threads() -> int:
    """Threads for one network: the processors this process may use, at most 16.

    ONNX Runtime's own default counts the machine's cores, which in a container is far more than its share.
    """
    return min(processors.usable(), _MAX_THREADS)


def session_options(ort: Any) -> Any:
    """The onnxruntime.SessionOptions of every session; benchmarks/depth_sessions.py shows what each of them does."""
    options = ort.SessionOptions()
    options.log_severity_level = _QUIET
    options.intra_op_num_threads = threads()
    # The sizes of photos differ, so a memory plan made for the last one is of no use (DirectML forbids it).
    options.enable_mem_pattern = False
    # Workers that wait by spinning double the CPU time of a run (48 ms against 89 on two shared cores, where the wall
    # time doubles too: benchmarks/depth_sessions.py), and would take a core from the renderer between two photos.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def open_session(model: Path, provider: str) -> Session:
    """A session that really runs on this provider.

    Raises:
        Exception: anything that ONNX Runtime raises, or RuntimeError when it quietly took another provider.
    """
    ort = runtime()
    ort.set_default_logger_severity(_QUIET)
    options = session_options(ort)
    if provider in ("cuda", "tensorrt") and hasattr(ort, "preload_dlls"):
        # CUDA and cuDNN from their wheels; it prints what it did not find, and the session tells that anyway.
        with contextlib.redirect_stdout(io.StringIO()):
            ort.preload_dlls()
    chain = [(ORT_NAMES[provider], _options(provider))]
    if provider == "tensorrt":
        chain.append((ORT_NAMES["cuda"], {}))
    if provider != "cpu":
        # Operators that the GPU lacks run here; that is no failure.
        chain.append((ORT_NAMES["cpu"], {}))
    # ORT's own fallback prints a banner to stdout and hides the reason: ours reports it once.
    session: Session = ort.InferenceSession(str(model), options, providers=chain, enable_fallback=0)
    if ORT_NAMES[provider] not in session.get_providers():
        raise RuntimeError(f"{provider} could not be started (driver or libraries missing?)")
    return session


def _options(provider: str) -> dict[str, str]:
    if provider == "cuda":
        # Exhaustive search times every convolution anew for each photo size: seconds for a 20 ms network.
        return {"cudnn_conv_algo_search": "HEURISTIC"}
    if provider == "coreml" and platform.system() == "Darwin":
        return {"ModelFormat": "MLProgram"}
    return {}
