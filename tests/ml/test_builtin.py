"""The committed network keeps its promises on any picture: finite, the right shape, near things nearer."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ort = pytest.importorskip("onnxruntime", reason="running a network needs onnxruntime: install depthflow-studio[cpu]")

ROOT = Path(__file__).resolve().parents[2]
ENTRY = tomllib.loads((ROOT / "models" / "registry.toml").read_text(encoding="utf-8"))["models"]["builtin"]
MODEL = ROOT / "models" / ENTRY["file"]


@pytest.fixture(scope="module")
def session():
    options = ort.SessionOptions()
    options.intra_op_num_threads = 2
    return ort.InferenceSession(str(MODEL), options, providers=["CPUExecutionProvider"])


def disparity(session, image: np.ndarray) -> np.ndarray:
    """(H, W) for an RGB picture (H, W, 3) float32 in 0..1 whose sides are multiples of 32."""
    tensor = np.ascontiguousarray(image.transpose(2, 0, 1)[None], dtype=np.float32)
    (found,) = session.run([ENTRY["output"]["name"]], {ENTRY["input"]["name"]: tensor})
    assert found.shape == (1, *image.shape[:2])
    return found[0]


def photo(name: str, height: int, width: int) -> np.ndarray:
    with Image.open(ROOT / "tests" / "photos" / name) as image:
        return np.asarray(image.convert("RGB").resize((width, height), Image.Resampling.BOX), np.float32) / 255


def test_file_is_the_one_that_the_registry_names() -> None:
    blob = MODEL.read_bytes()
    assert hashlib.sha256(blob).hexdigest() == ENTRY["sha256"]
    assert len(blob) / 1e6 == pytest.approx(ENTRY["size_mb"], abs=0.1)
    assert len(blob) <= 14e6


def test_graph_is_the_one_that_the_registry_describes(session) -> None:
    (image,), (out,) = session.get_inputs(), session.get_outputs()
    assert (image.name, image.type) == (ENTRY["input"]["name"], "tensor(float)")
    assert (out.name, out.type) == (ENTRY["output"]["name"], "tensor(float)")
    assert image.shape[1] == 3
    assert all(isinstance(side, str) for side in (image.shape[0], *image.shape[2:]))


@pytest.mark.parametrize("size", [(32, 32), (32, 1024), (1024, 32), (256, 384), (416, 288)])
@pytest.mark.parametrize("kind", ["black", "white", "grey", "noise", "checks", "ramp"])
def test_never_gives_nan(session, size: tuple[int, int], kind: str) -> None:
    height, width = size
    rows, columns = np.mgrid[:height, :width]
    plane = {
        "black": np.zeros(size),
        "white": np.ones(size),
        "grey": np.full(size, 0.5),
        "noise": np.random.default_rng(0).random(size),
        "checks": ((rows // 4 + columns // 4) % 2).astype(float),
        "ramp": rows / height,
    }[kind]
    found = disparity(session, plane[..., None].repeat(3, 2))
    assert np.isfinite(found).all()
    assert np.abs(found).max() < 1000


def test_batch_equals_one_at_a_time(session) -> None:
    images = [photo(name, 192, 256) for name in ("astronaut.jpg", "room.jpg")]
    tensor = np.ascontiguousarray(np.stack(images).transpose(0, 3, 1, 2))
    (both,) = session.run(None, {ENTRY["input"]["name"]: tensor})
    for image, found in zip(images, both, strict=True):
        np.testing.assert_allclose(found, disparity(session, image), atol=1e-3)


@pytest.mark.parametrize(
    ("name", "near", "far"),  # points as shares of width and height
    [
        ("astronaut.jpg", (0.44, 0.21), (0.62, 0.05)),  # face, wall
        ("dandelions.jpg", (0.29, 0.31), (0.90, 0.10)),  # the large flower, the meadow's end
        ("dogs.jpg", (0.43, 0.30), (0.41, 0.20)),  # the upper dog, the curtain behind it
        ("room.jpg", (0.50, 0.82), (0.50, 0.05)),  # beanbag, far wall
        ("temple.jpg", (0.33, 0.50), (0.80, 0.10)),  # pagoda, sky
    ],
)
def test_subject_is_nearer_than_what_is_behind(session, name: str, near: tuple, far: tuple) -> None:
    with Image.open(ROOT / "tests" / "photos" / name) as image:
        scale = ENTRY["input"]["size"] / max(image.size)
        width, height = (round(side * scale / 32) * 32 for side in image.size)
    found = disparity(session, photo(name, height, width))

    def at(point: tuple) -> float:
        y, x = int(point[1] * height), int(point[0] * width)
        return float(np.median(found[max(0, y - 3) : y + 4, max(0, x - 3) : x + 4]))

    assert at(near) - at(far) > 0.25 * np.ptp(found)
