"""`depthflow models export` on tiny, randomly initialised models: saved, exported, compared with torch, used."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from running import Done, depthflow, refused

from depthflow.depth import export as exporting
from depthflow.depth.registry import InputRule, load_registry
from depthflow.depth.tensors import to_tensor
from depthflow.depth.trial import sample_pixels
from depthflow.errors import DepthError

pytestmark = pytest.mark.ml
torch = pytest.importorskip("torch", reason="export needs torch: make test-ml")
transformers = pytest.importorskip("transformers", reason="export needs transformers: make test-ml")
ort = pytest.importorskip("onnxruntime")

GAIN = 8.0
"""Weights of std 0.02 over a dozen layers give depths of 1e-9: nothing that 16 bits could hold."""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("config", "cache", "models"):
        monkeypatch.setenv(f"DEPTHFLOW_{name.upper()}_DIR", str(tmp_path / name))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return tmp_path


def save(model: object, folder: Path, **processor: object) -> Path:
    """The model and its image processor's settings, as a repository on the hub has them."""
    with torch.no_grad():
        for name, weights in model.named_parameters():  # type: ignore[attr-defined]
            if weights.dim() > 1 and "norm" not in name:
                weights.mul_(GAIN)
            elif name.endswith(("conv3.bias", "head.4.bias")):
                weights.fill_(2.0)  # the last activation cuts off at zero
    model.save_pretrained(folder)  # type: ignore[attr-defined]
    usual = {"do_rescale": True, "do_normalize": True, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    (folder / "preprocessor_config.json").write_text(json.dumps(usual | processor))
    (folder / "README.md").write_text("---\nlicense: apache-2.0\ntags:\n- depth\n---\n# tiny\n")
    return folder


@pytest.fixture(scope="module")
def depth_anything(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    backbone = transformers.Dinov2Config(
        hidden_size=32,
        num_hidden_layers=4,
        num_attention_heads=2,
        image_size=70,
        patch_size=14,
        out_indices=[1, 2, 3, 4],
        reshape_hidden_states=False,
        apply_layernorm=True,
    )
    config = transformers.DepthAnythingConfig(
        backbone_config=backbone,
        reassemble_hidden_size=32,
        patch_size=14,
        neck_hidden_sizes=[8, 8, 16, 16],
        fusion_hidden_size=16,
        head_hidden_size=8,
    )
    return save(
        transformers.DepthAnythingForDepthEstimation(config),
        tmp_path_factory.mktemp("hub") / "Tiny-Anything-hf",
        size={"height": 70, "width": 70},
        keep_aspect_ratio=True,
        ensure_multiple_of=14,
        resample=3,
    )


@pytest.fixture(scope="module")
def dpt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    config = transformers.DPTConfig(
        hidden_size=32,
        num_hidden_layers=4,
        num_attention_heads=2,
        intermediate_size=64,
        image_size=64,
        patch_size=16,
        backbone_out_indices=[0, 1, 2, 3],
        neck_hidden_sizes=[8, 8, 16, 16],
        fusion_hidden_size=16,
        is_hybrid=False,
    )
    return save(
        transformers.DPTForDepthEstimation(config),
        tmp_path_factory.mktemp("hub") / "tiny-dpt",
        size={"height": 64, "width": 64},
        resample=2,
    )


def export(place: Path, *arguments: str | Path) -> Done:
    return depthflow("models", "export", *arguments, cwd=place)


def torch_depth(folder: Path, tensor: np.ndarray) -> np.ndarray:
    model = transformers.AutoModelForDepthEstimation.from_pretrained(folder).eval()
    with torch.inference_mode():
        return model(pixel_values=torch.from_numpy(tensor)).predicted_depth.numpy()


def onnx_depth(file: Path, tensor: np.ndarray) -> np.ndarray:
    session = ort.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    (found,) = session.run(["depth"], {"image": tensor})
    return found


def test_depth_anything_of_any_size_equals_torch(place: Path, depth_anything: Path, photo: Path) -> None:
    done = export(place, depth_anything)
    assert done.code == 0, done
    assert "any size" in done.out
    info = load_registry()["tiny-anything"]
    assert (info.licence, info.commercial_use, info.output.meaning) == ("apache-2.0", "yes", "disparity")
    rule = info.input
    assert (rule.resize, rule.side, rule.size, rule.multiple, rule.filter) == (
        "keep-aspect",
        "short",
        70,
        14,
        "bicubic",
    )
    assert rule.mean == (0.5, 0.5, 0.5)
    for width, height in ((70, 70), (126, 42), (56, 154)):
        tensor = to_tensor(sample_pixels(), rule, (width, height))
        wanted, found = torch_depth(depth_anything, tensor), onnx_depth(info.path(), tensor)
        assert found.shape == wanted.shape == (1, height, width)
        assert np.ptp(wanted) > 1e-3
        np.testing.assert_allclose(found, wanted, atol=1e-3 * np.ptp(wanted))
    used = depthflow("depth", photo, "--model", "tiny-anything", "--json", cwd=place)
    assert used.event("done")["model"] == "tiny-anything"
    assert not any(event["event"] == "warning" for event in used.events)


def test_dpt_keeps_the_one_size_that_it_allows(place: Path, dpt: Path) -> None:
    done = export(place, dpt, "--name", "small-dpt", "--meaning", "metres")
    assert done.code == 0, done
    assert "note: the size is fixed to 64x64" in done.err
    info = load_registry()["small-dpt"]
    assert (info.input.resize, info.input.fixed, info.output.meaning) == ("stretch", (64, 64), "metres")
    tensor = to_tensor(sample_pixels(), info.input, (64, 64))
    wanted = torch_depth(dpt, tensor)
    np.testing.assert_allclose(onnx_depth(info.path(), tensor), wanted, atol=1e-3 * np.ptp(wanted))


@pytest.fixture(scope="module")
def zoedepth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One that decides by the photo which of two heads it uses."""
    torch.manual_seed(0)
    backbone = transformers.BeitConfig(
        hidden_size=32,
        num_hidden_layers=4,
        num_attention_heads=2,
        intermediate_size=64,
        image_size=64,
        patch_size=16,
        use_relative_position_bias=True,
        reshape_hidden_states=False,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )
    config = transformers.ZoeDepthConfig(
        backbone_config=backbone,
        neck_hidden_sizes=[8, 8, 16, 16],
        fusion_hidden_size=16,
        bottleneck_features=16,
        num_relative_features=8,
        bin_embedding_dim=8,
        num_attractors=[4, 2, 2, 1],
        patch_transformer_hidden_size=128,
        patch_transformer_intermediate_size=32,
        patch_transformer_num_attention_heads=2,
        num_patch_transformer_layers=4,
        bin_configurations=[
            {"n_bins": 8, "min_depth": 0.001, "max_depth": 10.0, "name": "nyu"},
            {"n_bins": 8, "min_depth": 0.001, "max_depth": 80.0, "name": "kitti"},
        ],
    )
    return save(
        transformers.ZoeDepthForDepthEstimation(config),
        tmp_path_factory.mktemp("hub") / "zoe",
        size={"height": 64, "width": 96},
        keep_aspect_ratio=True,
        ensure_multiple_of=32,
        resample=2,
    )


def test_what_a_network_decides_by_the_photo_is_frozen_and_told(place: Path, zoedepth: Path) -> None:
    made = exporting.export(str(zoedepth), place / "zoe.onnx", name="zoe")
    assert not made.dynamic
    assert "frozen" in made.notes[1]
    assert (made.info.output.meaning, made.info.input.fixed) == ("metres", (64, 64))
    tensor = to_tensor(sample_pixels(), made.info.input, (64, 64))
    wanted = torch_depth(zoedepth, tensor)
    np.testing.assert_allclose(onnx_depth(place / "zoe.onnx", tensor), wanted, atol=2e-3 * np.ptp(wanted))


@pytest.mark.parametrize(("precision", "limit", "most"), [("float16", 2e-2, 0.6), ("int8", 0.2, 0.95)])
def test_smaller_numbers(place: Path, dpt: Path, precision: str, limit: float, most: float) -> None:
    full = place / "full.onnx"
    exporting.export(str(dpt), full, name="full")
    less = place / "less.onnx"
    made = exporting.export(str(dpt), less, name="less", precision=precision)  # type: ignore[arg-type]
    assert less.stat().st_size < most * full.stat().st_size
    assert 0 < made.difference <= limit
    tensor = to_tensor(sample_pixels(), made.info.input, (64, 64))
    again = exporting.relative_difference(onnx_depth(less, tensor), torch_depth(dpt, tensor))
    assert again == pytest.approx(made.difference, rel=0.05)
    assert tensor.dtype == np.float32  # the picture stays a float32 tensor in both


@pytest.mark.parametrize("precision", ["float32", "float16", "int8"])
def test_weights_beyond_one_file_lie_beside_it(
    place: Path, dpt: Path, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = place / "made"
    folder.mkdir()
    monkeypatch.setattr(exporting, "ONE_FILE", 10_000)
    made = exporting.export(str(dpt), folder / "large.onnx", name="large", precision=precision)  # type: ignore[arg-type]
    assert {file.name for file in folder.iterdir()} == {"large.onnx", "large.onnx.data"}
    file, weights = folder / "large.onnx", folder / "large.onnx.data"
    assert made.info.size_mb == pytest.approx((file.stat().st_size + weights.stat().st_size) / 1e6, abs=0.01)
    assert weights.stat().st_size > 10_000
    assert hashlib.sha256(weights.read_bytes()).hexdigest().encode() in file.read_bytes()
    tensor = to_tensor(sample_pixels(), made.info.input, (64, 64))
    moved = folder.rename(place / "kept")  # as the models folder gets it
    again = exporting.relative_difference(onnx_depth(moved / "large.onnx", tensor), torch_depth(dpt, tensor))
    assert again <= exporting.LIMITS[precision]


def test_a_network_that_differs_from_torch_is_not_kept(place: Path, dpt: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "_convert", lambda file, _: _spoil(file))
    with pytest.raises(DepthError, match="differs from torch by") as caught:
        exporting.export(str(dpt), place / "bad.onnx", name="bad", precision="float16")
    assert "float32" in caught.value.hint


def _spoil(file: Path) -> None:
    import onnx
    from onnx import numpy_helper

    model = onnx.load(str(file))
    (largest,) = sorted(model.graph.initializer, key=lambda item: -len(item.raw_data))[:1]
    largest.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(largest) * 1.5, largest.name))
    onnx.save(model, str(file))


def test_what_is_no_depth_model(place: Path, tmp_path: Path) -> None:
    (tmp_path / "text").mkdir()
    refused_by = export(place, tmp_path / "text")
    assert refused_by.code == 3
    said = export(place, "nobody/nothing")
    assert said.code == 4
    assert "nobody/nothing: cannot be fetched" in said.err
    refused(export(place, "a/b", "--precision", "float8"), 2, "unknown precision 'float8'", "float16, float32, int8")
    assert list((place / "models").glob("*")) == []


@pytest.mark.parametrize(
    ("processor", "wanted"),
    [
        ({}, {"mean": InputRule().mean, "multiple": 14, "resize": "stretch", "fixed": (378, 378)}),
        ({"size": 518, "keep_aspect_ratio": True}, {"resize": "keep-aspect", "size": 518, "side": "short"}),
        ({"size": {"shortest_edge": 300}, "ensure_multiple_of": 32}, {"multiple": 224, "fixed": (224, 224)}),
        ({"do_rescale": False, "image_mean": [123.0, 116.0, 103.0]}, {"range": (0, 255), "mean": (123, 116, 103)}),
        ({"do_normalize": False}, {"mean": (0, 0, 0), "std": (1, 1, 1)}),
    ],
)
def test_the_image_processor_in_our_words(processor: dict[str, object], wanted: dict[str, object]) -> None:
    config = transformers.DepthAnythingConfig()  # patches of 14
    rule = exporting._input_rule(processor, config)
    assert {key: getattr(rule, key) for key in wanted} == wanted


@pytest.mark.parametrize(
    ("licence", "use"),
    [
        ("apache-2.0", "yes"),
        ("MIT", "yes"),
        ("cc-by-nc-4.0", "no"),
        ("apple-amlr", "no"),
        ("other", "unclear"),
        ("", "unclear"),
    ],
)
def test_what_a_licence_allows(licence: str, use: str) -> None:
    assert exporting.commercial_use(licence) == use
