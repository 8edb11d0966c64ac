"""The training recipe of the built-in network, end to end on tiny pictures made here: no teachers, no photos."""

from __future__ import annotations

import math
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the training recipe needs torch: `make test-ml` installs it")
onnx = pytest.importorskip("onnx", reason="exporting needs onnx: `make test-ml` installs it")
ort = pytest.importorskip("onnxruntime", reason="comparing needs onnxruntime: `make test-ml` installs it")

pytestmark = pytest.mark.ml

TRAINING = Path(__file__).resolve().parents[2] / "models" / "training"
PHOTOS = 12
STEPS = 6


@pytest.fixture(scope="module")
def recipe():
    """The modules of models/training/, which are scripts beside one another and not a package."""
    sys.path.insert(0, str(TRAINING))
    try:
        import dataset
        import export
        import losses
        import network
        import rooms

        yield {"dataset": dataset, "export": export, "losses": losses, "network": network, "rooms": rooms}
    finally:
        sys.path.remove(str(TRAINING))


def picture(random: np.random.Generator, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """A lit floor with brighter, nearer rectangles on it: RGB uint8 and disparity float32."""
    disparity = np.linspace(0, 1, height, dtype=np.float32)[:, None].repeat(width, 1)
    for _ in range(3):
        top, left = random.integers(0, height - 24), random.integers(0, width - 24)
        disparity[top : top + 24, left : left + 24] += random.uniform(0.3, 1)
    rgb = np.clip(disparity[..., None] * random.uniform(60, 120, 3) + random.normal(0, 4, (height, width, 3)), 0, 255)
    return rgb.astype(np.uint8), disparity


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("training")
    (folder / "labels").mkdir()
    random = np.random.default_rng(3)
    held_out = 0
    number = 0
    while number < PHOTOS or not held_out:
        rgb, disparity = picture(random, *((80, 112) if number % 2 else (112, 80)))
        name = f"photo_{number:03d}"
        held_out += _is_held_out(name)
        np.savez(
            folder / "labels" / f"{name}.npz",
            image=rgb,
            disparity=disparity.astype(np.float16),
            share=np.float32(0.2),
        )
        number += 1
    return folder


def _is_held_out(name: str) -> bool:
    return zlib.crc32(name.encode()) % 20 == 0


def run(script: str, *arguments: object) -> str:
    command = [sys.executable, str(TRAINING / script), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def train(cache: Path, steps: int) -> str:
    return run(
        "train.py", "--cache", cache, "--variant", "tiny", "--scratch", "--steps", steps, "--minutes", 5,
        "--batch", 3, "--area", 64 * 64, "--threads", 2,
    )  # fmt: skip


@pytest.fixture(scope="module")
def exported(cache: Path) -> Path:
    train(cache, STEPS)
    out = cache / "tiny.onnx"
    run("export.py", "--checkpoint", cache / "run" / "checkpoint.pt", "--out", out)
    return out


def maps(seed: int = 0) -> torch.Tensor:
    return torch.rand(2, 48, 64, generator=torch.Generator().manual_seed(seed)) + torch.linspace(0, 3, 64)


@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.0), (7.5, -3.0), (0.02, 40.0)])
def test_losses_ignore_scale_and_shift(recipe, scale: float, shift: float) -> None:
    losses, target = recipe["losses"], maps()
    guess = maps(1)
    for loss in (losses.distance, losses.gradient_distance):
        assert torch.allclose(loss(target * scale + shift, target), torch.zeros(2), atol=2e-3)
        assert torch.allclose(loss(guess * scale + shift, target), loss(guess, target), rtol=2e-3)


def test_losses_see_a_wrong_sign_and_a_blurred_edge(recipe) -> None:
    losses = recipe["losses"]
    # A slanted floor with a near block over its last quarter: blur moves the edge and leaves the median alone.
    step = torch.linspace(0, 1, 64).expand(1, 48, 64) + 2 * (torch.arange(64) >= 48).float()
    soft = torch.nn.functional.avg_pool1d(step, 13, 1, 6, count_include_pad=False)
    assert float(losses.gradient_distance(step, step)) == 0
    assert losses.gradient_distance(soft, step) > 0.1
    assert losses.distance(-step, step) > 5 * losses.distance(soft, step)
    assert losses.rank_correlation(-step, step) == pytest.approx(-1, abs=1e-3)


def test_descent_on_the_loss_finds_the_target(recipe) -> None:
    target = maps()
    guess = maps(1).requires_grad_()
    optimiser = torch.optim.Adam([guess], lr=0.05)
    first = None
    for _ in range(150):
        loss = recipe["losses"].total_loss(guess, target)
        first = first if first is not None else float(loss.detach())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert float(loss.detach()) < 0.35 * first
    assert recipe["losses"].rank_correlation(guess.detach(), target, stride=1) > 0.98


def test_flat_maps_give_finite_losses_and_gradients(recipe) -> None:
    guess = torch.full((1, 32, 32), 0.5, requires_grad=True)
    loss = recipe["losses"].total_loss(guess, torch.zeros(1, 32, 32))
    loss.backward()
    assert math.isfinite(float(loss.detach()))
    assert torch.isfinite(guess.grad).all()


def test_held_out_photos_are_never_cut_into_batches(recipe) -> None:
    for number in range(200):
        name = f"photo_{number:03d}"
        assert recipe["dataset"].is_validation(name) == _is_held_out(name)


def test_batches_have_one_shape_and_sane_values(recipe, cache: Path) -> None:
    samples = recipe["dataset"].Samples(sorted((cache / "labels").glob("*.npz")))
    batches = recipe["dataset"].Batches([(samples, 1.0)], batch=3, seed=0)
    batches.area = 64 * 96
    stream = iter(batches)
    for _ in range(8):
        image, disparity = next(stream)
        assert image.shape[0] == 3
        assert image.shape[2:] == disparity.shape[1:]
        assert [side % 32 for side in image.shape[2:]] == [0, 0]
        assert float(image.min()) >= 0
        assert float(image.max()) <= 1
        assert torch.isfinite(disparity).all()


def test_rooms_hit_solids_where_geometry_says(recipe) -> None:
    rooms, origin = recipe["rooms"], np.zeros(3)
    ahead = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
    ball = rooms.Solid("sphere", np.array([0.0, 0, 5]), np.array([2.0, 2, 2]))
    box = rooms.Solid("box", np.array([0.0, 0, 5]), np.array([1.0, 1, 2]), turn=np.pi / 2)
    tin = rooms.Solid("cylinder", np.array([0.0, 3, 0]), np.array([1.0, 0.5, 1]))
    assert rooms.hit(ball, origin, ahead)[0] == pytest.approx([3, rooms.FAR])
    assert rooms.hit(box, origin, ahead)[0] == pytest.approx([4, rooms.FAR])
    distance, normal, _ = rooms.hit(tin, origin, ahead)
    assert distance == pytest.approx([rooms.FAR, 2.5])
    assert normal[1] == pytest.approx([0, -1, 0])


def test_rooms_have_finite_depth_that_varies(recipe) -> None:
    for seed in range(3):
        picture, disparity = recipe["rooms"].render(np.random.default_rng(seed), [])
        assert picture.shape == (*disparity.shape, 3)
        assert np.isfinite(disparity).all()
        assert disparity.min() > 0
        assert np.ptp(disparity) > 0.05


def test_training_writes_a_log_and_goes_on_after_a_stop(exported: Path, cache: Path) -> None:
    log = (cache / "run" / "log.csv").read_text().splitlines()
    assert log[0].startswith("step,minutes,pictures,rate,loss")
    assert int(log[-1].split(",")[0]) == STEPS
    said = train(cache, STEPS + 2)
    assert f"going on from step {STEPS}" in said
    assert (cache / "run" / "log.csv").read_text().splitlines()[-1].startswith(f"{STEPS + 2},")


@pytest.mark.parametrize("size", [(32, 32), (64, 160), (160, 64), (32, 512)])
def test_export_equals_torch_at_any_size(recipe, cache: Path, size: tuple[int, int]) -> None:
    out = cache / "fresh.onnx"
    net = recipe["export"].load(_checkpoint(cache))
    onnx.save(recipe["export"].to_onnx(net), out)
    session = ort.InferenceSession(str(out), providers=["CPUExecutionProvider"])
    assert [i.name for i in session.get_inputs()] == ["image"]
    assert [o.name for o in session.get_outputs()] == ["disparity"]
    image = np.random.default_rng(1).random((2, 3, *size), dtype=np.float32)
    (found,) = session.run(None, {"image": image})
    with torch.inference_mode():
        wanted = net(torch.from_numpy(image)).numpy()
    assert found.shape == (2, *size)
    assert np.abs(found - wanted).max() < 0.02 * max(np.ptp(wanted), 1e-3)  # weights are stored in half precision


def test_export_stores_half_precision_weights(exported: Path) -> None:
    stored = {item.data_type for item in onnx.load(exported).graph.initializer if np.prod(item.dims) >= 256}
    assert stored == {onnx.TensorProto.FLOAT16}


def _checkpoint(cache: Path) -> Path:
    path = cache / "run" / "checkpoint.pt"
    if not path.exists():
        train(cache, STEPS)
    return path
