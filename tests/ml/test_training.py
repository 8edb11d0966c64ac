"""The training recipe of the built-in network, end to end on tiny pictures made here: no teachers, no photos."""

from __future__ import annotations

import itertools
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
        import streets

        parts = (dataset, export, losses, network, rooms, streets)
        yield {module.__name__: module for module in parts}
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


def train(cache: Path, *more: object, steps: int = STEPS) -> str:
    return run(
        "train.py", "--cache", cache, "--variant", "tiny", "--scratch", "--steps", steps,
        "--batch", 3, "--area", 64 * 64, "--threads", 1, *more,
    )  # fmt: skip


def averaged(folder: Path) -> dict[str, torch.Tensor]:
    return torch.load(folder / "checkpoint.pt", weights_only=True)["average"]


@pytest.fixture(scope="module")
def exported(cache: Path) -> Path:
    train(cache)
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


def test_outlines_tell_a_soft_jump_and_one_beside_it_from_a_true_one(recipe) -> None:
    outline = recipe["losses"].outline_distance
    step = torch.linspace(0, 1, 64).expand(1, 48, 64) + 3 * (torch.arange(64) >= 40).float()
    soft = torch.nn.functional.avg_pool1d(step, 9, 1, 4, count_include_pad=False)
    beside = torch.linspace(0, 1, 64).expand(1, 48, 64) + 3 * (torch.arange(64) >= 43).float()
    assert float(outline(5 * step - 2, step)) == pytest.approx(0, abs=1e-4)
    assert 0.1 < float(outline(soft, step)) < float(outline(beside, step))
    assert float(outline(-step, step)) == pytest.approx(2, abs=1e-3)
    slope = torch.linspace(0, 1, 64).expand(1, 48, 64)
    assert float(outline(soft, slope)) == 0  # nothing to compare with


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
    areas = [64 * 96] * 4 + [128 * 128] * 4
    batches = recipe["dataset"].Batches([(samples, 1.0)], batch=3, seed=0, area=lambda step: areas[step])
    made = list(itertools.islice(batches, 8))
    assert max(image.shape[2] * image.shape[3] for image, _ in made[:4]) < 96 * 128
    assert min(image.shape[2] * image.shape[3] for image, _ in made[4:]) > 96 * 128
    later = recipe["dataset"].Batches([(samples, 1.0)], 3, 0, lambda step: areas[step], first=5)
    assert torch.equal(next(iter(later))[0], made[5][0])
    for image, disparity in made:
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


def test_streets_have_a_sky_that_is_farthest_and_ground_that_recedes(recipe) -> None:
    skies = 0
    for seed in range(4):
        picture, disparity = recipe["streets"].render(np.random.default_rng(seed), [])
        assert picture.shape == (*disparity.shape, 3)
        assert np.isfinite(disparity).all()
        assert disparity.min() >= 0
        skies += (disparity[0] == 0).any()
        below = np.median(disparity, axis=1)[-disparity.shape[0] // 4 :]
        assert below[-1] > below[0] > 0
    assert skies


def test_rays_beside_a_solid_are_not_tried(recipe) -> None:
    streets, ball = recipe["streets"], recipe["rooms"].Solid("sphere", np.array([0.0, 0, 5]), np.full(3, 1.0))
    rays = np.array([[0.0, 0, 1], [0.19, 0, 1], [0.5, 0, 1], [0, 0, -1]])
    assert streets._near_rays(ball, np.zeros(3), rays).tolist() == [0, 1]


def test_rooms_have_finite_depth_that_varies(recipe) -> None:
    for seed in range(3):
        picture, disparity = recipe["rooms"].render(np.random.default_rng(seed), [])
        assert picture.shape == (*disparity.shape, 3)
        assert np.isfinite(disparity).all()
        assert disparity.min() > 0
        assert np.ptp(disparity) > 0.05


def test_training_writes_a_log(exported: Path, cache: Path) -> None:
    log = (cache / "run" / "log.csv").read_text().splitlines()
    assert log[0].startswith("step,minutes,pictures,rate,loss")
    assert int(log[-1].split(",")[0]) == STEPS
    rates = [float(line.split(",")[3]) for line in log[1:]]
    assert rates[-1] < max(rates)


def test_a_run_that_was_stopped_makes_the_same_network(exported: Path, cache: Path, tmp_path: Path) -> None:
    train(cache, "--run", tmp_path, "--until", 2)
    assert f"going on from step {2}" in train(cache, "--run", tmp_path)
    whole, parts = averaged(cache / "run"), averaged(tmp_path)
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    train(cache, "--run", tmp_path / "other", "--seed", 2)
    assert not all(torch.equal(whole[name], other) for name, other in averaged(tmp_path / "other").items())


def test_wall_time_may_rule_instead_of_steps(cache: Path, tmp_path: Path) -> None:
    train(cache, "--run", tmp_path, "--minutes", 0.002, steps=10**6)
    assert 1 <= torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] < 1000


def test_an_exported_network_is_trained_further(recipe, exported: Path, cache: Path, tmp_path: Path) -> None:
    """Batch norms are folded in the file; what comes out of two steps at a small rate is nearly what went in."""
    again = recipe["network"].from_onnx(exported, "tiny").eval()
    before = recipe["export"].load(cache / "run" / "checkpoint.pt").net
    image = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0)).repeat_interleave(8, 2)
    image = image.repeat_interleave(12, 3)
    with torch.inference_mode():
        wanted, found = before(image), again(image)
    spread = float(wanted.max() - wanted.min())
    assert float((wanted - found).abs().max()) < 0.02 * spread  # stored in half precision
    run(
        "train.py", "--cache", cache, "--run", tmp_path, "--variant", "tiny", "--start", exported, "--steps", 2,
        "--rate", 1e-4, "--batch", 3, "--area", 64 * 64, "--threads", 1,
    )  # fmt: skip
    trained = recipe["export"].load(tmp_path / "checkpoint.pt").net
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in trained.modules())
    with torch.inference_mode():
        assert 0 < float((trained(image) - wanted).abs().max()) < 0.2 * spread


def test_the_exported_network_sees_a_picture_and_its_mirror_image_alike(recipe, cache: Path) -> None:
    net = recipe["export"].load(_checkpoint(cache))
    image = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        there, alone = net(image), net.net(image)
        assert torch.allclose(net(image.flip(-1)).flip(-1), there, atol=1e-5)
        assert not torch.allclose(alone, there, atol=1e-5)


def test_rebuilding_with_other_networks_weights_is_refused(recipe, exported: Path) -> None:
    with pytest.raises(ValueError, match="not those of a lite0 network"):
        recipe["network"].from_onnx(exported, "lite0")


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
        train(cache)
    return path
