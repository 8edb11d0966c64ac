"""Makes an ONNX network of a torch depth model and compares the two; nothing else here uses torch. Registers none."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import logging
import math
import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from depthflow.depth.registry import Commercial, InputRule, Meaning, ModelInfo, OutputRule, TorchSource
from depthflow.depth.tensors import to_tensor
from depthflow.depth.trial import sample_pixels
from depthflow.errors import DepthError, DownloadError, RuntimeMissingError

INSTALL = "pip install 'depthflow-studio[export]'"
Precision = Literal["float32", "float16", "int8"]
Say = Callable[[str], None]

LIMITS: dict[str, float] = {"float32": 1e-3, "float16": 2e-2, "int8": 0.2}
"""How far the network may be from torch: root mean square of the difference over torch's standard deviation."""

ONE_FILE = 2**31 - 2**24
"""Bytes of weights that one ONNX file holds, as a protobuf ends at 2 GiB; if there are more, they lie beside it."""

_MEANINGS: dict[str, Meaning] = {"zoedepth": "metres", "glpn": "metres"}
"""By transformers' model_type; all others give disparity. (Raw output: Depth Pro's is inverse depth too.)"""
_FILTERS: dict[int, Literal["bilinear", "bicubic"]] = {2: "bilinear", 3: "bicubic"}
_FREE = {"apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "cc0-1.0", "cc-by-4.0", "unlicense"}


@dataclass(frozen=True, slots=True)
class Exported:
    """What came out.

    Attributes:
        info: how to read the network; without a name and a place in a registry.
        dynamic: height and width are free, within multiples of info.input.multiple.
        difference: from torch, see LIMITS; the largest over the sizes that were tried.
        notes: lines for people.
    """

    info: ModelInfo
    dynamic: bool
    difference: float
    notes: tuple[str, ...]


def export(
    source: str,
    file: Path,
    *,
    name: str,
    revision: str = "",
    precision: Precision = "float32",
    meaning: Meaning | None = None,
    say: Say = lambda _: None,
) -> Exported:
    """Make an ONNX file of a transformers model for depth estimation.

    Args:
        source: a repository on Hugging Face (owner/name), or a folder that transformers has saved.
        file: where to put it; its folder exists.
        name: what the model shall be called.
        revision: a commit of the repository; empty: the newest.
        precision: "float16" halves the file, for GPUs; "int8" stores matrices in 8 bits, for CPUs.
        meaning: of the output; None takes what the kind of network usually gives.
        say: told what is being done.

    Raises:
        RuntimeMissingError: torch, transformers or one of their helpers is not installed.
        DownloadError, DepthError: no such model, or not one for depth.
        DepthError: it cannot be exported, or the ONNX network gives something else than torch.
    """
    torch, transformers = _libraries()
    say(f"loading {source}")
    with _quiet():
        model = _load(transformers, source, revision)
    config = model.config
    rule = _input_rule(_processor(source, revision), config)
    network = _wrapped(torch, model)
    say("tracing")
    dynamic, notes = _trace(torch, network, rule, file)
    if not dynamic:
        height, width = _sizes(rule)[0]
        rule = rule.model_copy(update={"resize": "stretch", "fixed": (height, width)})
    say("simplifying")
    _simplify(file, notes)
    if precision != "float32":
        say(f"converting to {precision}")
        _convert(file, precision)
    say("comparing with torch")
    sizes = _sizes(rule) if dynamic else _sizes(rule)[:1]
    difference = max(_difference(torch, network, file, rule, size) for size in sizes)
    if not difference <= LIMITS[precision]:
        raise DepthError(
            f"{source}: the ONNX network differs from torch by {difference:.2g} of its spread, more than "
            f"{LIMITS[precision]:g}; it is not kept",
            "export it as float32" if precision != "float32" else "try another version of torch",
        )
    weights = _pin_weights(file)
    licence = _licence(source, revision)
    info = ModelInfo(
        name=name,
        title=f"{source} ({precision})",
        file=file.name,
        torch=TorchSource(repo=source, revision=revision) if not Path(source).exists() else None,
        licence=licence or "not stated",
        commercial_use=commercial_use(licence),
        size_mb=round((file.stat().st_size + weights) / 1e6, 2),
        opset=_opset(file),
        input=rule,
        output=OutputRule(name="depth", meaning=meaning or _meaning(config)),
    )
    return Exported(info, dynamic, difference, tuple(notes))


def _libraries() -> tuple[Any, Any]:
    """torch and transformers, when all that exporting takes is installed."""
    try:
        import huggingface_hub  # noqa: F401
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
        import onnxslim  # noqa: F401
        import torch
        import transformers
    except ImportError as error:
        raise RuntimeMissingError(
            f"{error.name or 'what exporting takes'} is not installed ({error})", f"install it: {INSTALL}"
        ) from None
    return torch, transformers


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the reports that torch and transformers print; what matters is raised."""
    sink = io.StringIO()
    with warnings.catch_warnings(), contextlib.redirect_stdout(sink), contextlib.redirect_stderr(sink):
        warnings.simplefilter("ignore")
        before = logging.root.manager.disable
        logging.disable(logging.ERROR)
        try:
            yield
        finally:
            logging.disable(before)


# -- what the model is ----------------------------------------------------------------------------------------


def _load(transformers: Any, source: str, revision: str) -> Any:
    try:
        model = transformers.AutoModelForDepthEstimation.from_pretrained(source, revision=revision or None)
    except ValueError as error:
        raise DepthError(f"{source}: no depth model that transformers knows: {_first_line(error)}") from None
    except OSError as error:
        if Path(source).is_dir():
            raise DepthError(f"{source}: cannot be loaded: {_first_line(error)}", "give a saved depth model") from None
        raise DownloadError(
            f"{source}: cannot be fetched: {_first_line(error)}", "check the name (owner/model) and the network"
        ) from None
    return model.eval()


def _file(source: str, name: str, revision: str) -> Path | None:
    """A small file of the model, if it has one."""
    folder = Path(source)
    if folder.is_dir():
        return folder / name if (folder / name).is_file() else None
    import huggingface_hub

    try:
        return Path(huggingface_hub.hf_hub_download(source, name, revision=revision or None))
    except Exception:  # not there, or not reachable any more: the model itself was
        return None


def _processor(source: str, revision: str) -> dict[str, Any]:
    file = _file(source, "preprocessor_config.json", revision)
    try:
        data = json.loads(file.read_text(encoding="utf-8")) if file is not None else {}
    except ValueError:
        raise DepthError(f"{file}: is no JSON", "save the model's image processor again") from None
    return data if isinstance(data, dict) else {}


def _input_rule(processor: dict[str, Any], config: Any) -> InputRule:
    """Transformers' preprocessor_config.json in our words; ImageNet's usual values where it is silent."""
    size = processor.get("size", getattr(config, "image_size", None) or 384)
    if isinstance(size, dict):
        height = int(size.get("height") or size.get("shortest_edge") or 384)
        width = int(size.get("width") or height)
    else:
        height = width = int(size)
    patch = _patch(config)
    multiple = math.lcm(int(processor.get("ensure_multiple_of") or 1), patch)
    short = max(min(height, width) // multiple, 1) * multiple
    values = (0.0, 1.0) if processor.get("do_rescale", True) else (0.0, 255.0)
    normalise = processor.get("do_normalize", True)
    rule: dict[str, Any] = {
        "name": "image",
        "layout": "NCHW",
        "range": values,
        "multiple": multiple,
        "filter": _FILTERS.get(processor.get("resample", 2), "bilinear"),
        "mean": tuple(processor.get("image_mean", InputRule().mean)) if normalise else (0.0, 0.0, 0.0),
        "std": tuple(processor.get("image_std", InputRule().std)) if normalise else (1.0, 1.0, 1.0),
        "side": "short",
        "size": short,
        "min_size": multiple,
        "max_size": max(2048, short) // multiple * multiple,
    }
    if not processor.get("keep_aspect_ratio", False):
        nearest = [max(side // multiple, 1) * multiple for side in (height, width)]
        rule |= {"resize": "stretch", "fixed": tuple(nearest)}
    return InputRule.model_validate(rule)


def _patch(config: Any) -> int:
    for part in (config, getattr(config, "backbone_config", None)):
        patch = getattr(part, "patch_size", None)
        if isinstance(patch, int) and patch > 0:
            return patch
    return 32


def _meaning(config: Any) -> Meaning:
    if getattr(config, "depth_estimation_type", "relative") == "metric":
        return "metres"
    return _MEANINGS.get(config.model_type, "disparity")


def _licence(source: str, revision: str) -> str:
    """The licence that the model's page names in its head, as it stands there."""
    file = _file(source, "README.md", revision)
    text = file.read_text(encoding="utf-8", errors="replace") if file is not None else ""
    head = text.split("---", 2)[1] if text.startswith("---") and text.count("---") >= 2 else ""
    found = re.search(r"^licen[cs]e:\s*([\w.+-]+)\s*$", head, re.MULTILINE)
    return found[1] if found else ""


def commercial_use(licence: str) -> Commercial:
    """What a licence identifier of the hub says; "unclear" unless it is a well-known one."""
    words = re.split(r"[-\s]", licence.lower())
    if licence.lower() in _FREE:
        return "yes"
    return "no" if {"nc", "amlr", "research"} & set(words) else "unclear"


# -- from torch to a file -------------------------------------------------------------------------------------


def _wrapped(torch: Any, model: Any) -> Any:
    """The model as a function of the picture alone, whose only result is the depth."""

    class Network(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, image: Any) -> Any:
            return self.model(pixel_values=image).predicted_depth

    return Network().eval()


def _sizes(rule: InputRule) -> list[tuple[int, int]]:
    """(height, width) that the network is compared at: the usual one, a lying and a standing photo."""
    if rule.resize == "stretch" and rule.fixed is not None:
        height, width = rule.fixed
    else:
        height, width = rule.size, rule.size
    more = max(height // rule.multiple // 2, 1) * rule.multiple
    return [(height, width), (height, width + more), (height + more, width)]


def _trace(torch: Any, network: Any, rule: InputRule, file: Path) -> tuple[bool, list[str]]:
    """Write the ONNX file; (whether height and width are free, notes).

    Raises:
        DepthError: torch cannot trace this model even for one size.
    """
    height, width = _sizes(rule)[1]
    try:
        with _quiet():
            free = [rule.multiple * torch.export.Dim(side, min=2, max=4096) for side in ("h", "w")]
            example = (torch.zeros(1, 3, height, width),)
            program = torch.export.export(network, example, dynamic_shapes=({2: free[0], 3: free[1]},), strict=True)
            _write(torch, program, example, file)
        return True, []
    except Exception as error:  # torch raises a dozen kinds for what it cannot follow
        reason = _first_line(error)
    height, width = _sizes(rule)[0]
    notes = [f"the size is fixed to {width}x{height}: this network allows no other ({reason})"]
    example = (torch.from_numpy(to_tensor(sample_pixels(), rule, (width, height))),)
    try:
        with _quiet():
            _write(torch, torch.export.export(network, example, strict=False), example, file)
        return False, notes
    except Exception:  # it decides something by the photo, which the older tracer freezes
        notes.append("what this network decides by the photo is frozen to what it decides for the sample photo")
    try:
        with _quiet():
            names = {"input_names": ["image"], "output_names": ["depth"]}
            torch.onnx.export(network, example, str(file), dynamo=False, opset_version=17, **names)
    except Exception as error:
        raise DepthError(
            f"torch cannot export this model: {_first_line(error)}", "use a model that is published as ONNX"
        ) from None
    return False, notes


def _write(torch: Any, program: Any, example: Any, file: Path) -> None:
    size = sum(each.numel() * each.element_size() for each in program.state_dict.values())
    torch.onnx.export(
        program,
        example,
        str(file),
        dynamo=True,
        external_data=size > ONE_FILE,
        input_names=["image"],
        output_names=["depth"],
        verbose=False,
    )


def _simplify(file: Path, notes: list[str]) -> None:
    import onnx
    import onnxslim

    try:
        with _quiet():
            _save(onnxslim.slim(onnx.load(str(file))), file)
    except Exception as error:  # the file is good without it
        notes.append(f"not simplified: {_first_line(error)}")


def _convert(file: Path, precision: Precision) -> None:
    import onnx

    with _quiet():
        large = _weights_file(file).exists()
        if precision == "float16":
            from onnxruntime.transformers.float16 import convert_float_to_float16

            model = onnx.load(str(file))
            _save(convert_float_to_float16(model, keep_io_types=True, disable_shape_infer=large), file)
            return
        from onnxruntime.quantization import QuantType, quantize_dynamic

        target = file.with_suffix(".int8.onnx")
        # Matrices only: ONNX Runtime has 8-bit convolutions for few CPUs, and the edges live in them.
        quantize_dynamic(
            str(file),
            str(target),
            op_types_to_quantize=["MatMul", "Gemm"],
            weight_type=QuantType.QInt8,
            use_external_data_format=large,
        )
        _save(onnx.load(str(target)), file)
        target.unlink()
        _weights_file(target).unlink(missing_ok=True)


def _weights_file(file: Path) -> Path:
    """Where the weights of a network lie that is too large for one file; it is not there if it is not."""
    return file.with_name(f"{file.name}.data")


def _save(model: Any, file: Path) -> None:
    """Write a network whose weights are in memory, as one file if it may be one."""
    import onnx

    weights = _weights_file(file)
    part = file.with_name(f".{file.name}")
    large = sum(len(item.raw_data) for item in model.graph.initializer) > ONE_FILE
    weights.unlink(missing_ok=True)  # else they would be appended to
    onnx.save(model, str(part), save_as_external_data=large, location=weights.name)
    part.replace(file)


def _pin_weights(file: Path) -> int:
    """Write the SHA-256 of the file of weights, if there is one, into the network, so that its own stands for both.

    Returns:
        Bytes of the file of weights.
    """
    import onnx

    weights = _weights_file(file)
    if not weights.exists():
        return 0
    model = onnx.load(str(file), load_external_data=False)
    with weights.open("rb") as stored:
        digest = hashlib.file_digest(stored, "sha256").hexdigest()
    onnx.helper.set_model_props(model, {"weights_sha256": digest})
    file.write_bytes(model.SerializeToString())
    return weights.stat().st_size


def _opset(file: Path) -> int:
    import onnx

    model = onnx.load(str(file), load_external_data=False)
    return max((item.version for item in model.opset_import if item.domain == ""), default=0)


# -- whether it is the same -----------------------------------------------------------------------------------


def _difference(torch: Any, network: Any, file: Path, rule: InputRule, size: tuple[int, int]) -> float:
    """How far ONNX Runtime's depth of the sample photo is from torch's; see LIMITS."""
    from depthflow.depth.providers import open_session

    height, width = size
    tensor = to_tensor(sample_pixels(), rule, (width, height))
    with torch.inference_mode():
        wanted = np.asarray(network(torch.from_numpy(tensor)).numpy(), np.float64)
    try:
        (found,) = open_session(file, "cpu").run(["depth"], {"image": tensor})
    except Exception as error:  # ONNX Runtime's errors share no base class but Exception
        raise DepthError(f"ONNX Runtime cannot run the exported network: {_first_line(error)}") from None
    return relative_difference(np.asarray(found, np.float64), wanted)


def relative_difference(found: NDArray[np.float64], wanted: NDArray[np.float64]) -> float:
    """Root mean square of the difference over the standard deviation of what is wanted; infinite if shapes differ."""
    if found.shape != wanted.shape or not np.isfinite(found).all():
        return math.inf
    spread = float(wanted.std())
    rms = float(np.sqrt(np.mean((found - wanted) ** 2)))
    return rms / spread if spread > 0 else (0.0 if rms == 0 else math.inf)


def _first_line(error: Exception) -> str:
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line).strip() for line in str(error).splitlines()]
    return next((line for line in lines if line), type(error).__name__)[:200]
