"""The training recipe of the built-in network, end to end on tiny pictures made here: no teachers, no photos."""

from __future__ import annotations

import argparse
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
        import cached
        import dataset
        import export
        import interiors
        import layout
        import losses
        import network
        import outlines
        import paste
        import rooms
        import streets

        parts = (cached, dataset, export, interiors, layout, losses, network, outlines, paste, rooms, streets)
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
            expert=disparity[::-1].astype(np.float16),
            share=np.float32(0.2),
        )
        number += 1
    (folder / "held_out").mkdir()
    rgb, disparity = picture(random, 96, 64)
    np.savez(folder / "held_out" / "room_90000.npz", image=rgb, disparity=disparity.astype(np.float16), share=0.0)
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
        assert recipe["dataset"].is_validation(f"{name}.2") == _is_held_out(name)  # nor any view of them


def test_batches_have_one_shape_and_sane_values(recipe, cache: Path) -> None:
    samples = recipe["dataset"].Samples(sorted((cache / "labels").glob("*.npz")))
    areas = [64 * 96] * 4 + [128 * 128] * 4
    batches = recipe["dataset"].Batches([(samples, 1.0)], batch=3, seed=0, area=lambda step: areas[step])
    made = list(itertools.islice(batches, 8))
    assert max(image.shape[2] * image.shape[3] for image, *_ in made[:4]) < 96 * 128
    assert min(image.shape[2] * image.shape[3] for image, *_ in made[4:]) > 96 * 128
    later = recipe["dataset"].Batches([(samples, 1.0)], 3, 0, lambda step: areas[step], first=5)
    for again, before in zip(next(iter(later)), made[5], strict=True):
        assert torch.equal(again, before)
    for image, maps, hold, shares in made:
        assert image.shape[1] == 3
        assert maps.shape == (3, 2, *image.shape[2:])
        assert [side % 32 for side in image.shape[2:]] == [0, 0]
        assert float(image.min()) >= 0
        assert float(image.max()) <= 1
        assert torch.isfinite(maps).all()
        assert hold.shape == (3,)
        assert torch.allclose(shares, torch.full((3,), 0.2))


def test_scenes_with_exact_depth_are_their_own_expert(recipe, cache: Path) -> None:
    photos = recipe["dataset"].Samples(sorted((cache / "labels").glob("*.npz")))
    scenes = recipe["dataset"].Samples(sorted((cache / "held_out").glob("*.npz")))
    _, maps = photos.tensors(0)
    assert torch.equal(maps[1], maps[0].flip(0))
    _, maps = scenes.tensors(0)
    assert torch.equal(maps[1], maps[0])


def test_a_step_has_its_size_by_its_number_alone_and_sizes_come_as_often_as_they_should() -> None:
    sys.path.insert(0, str(TRAINING))
    try:
        from train import FIRST_AREAS, LAST_AREAS, area_of
    finally:
        sys.path.remove(str(TRAINING))
    for shares in (FIRST_AREAS, LAST_AREAS):
        assert sum(share for _, share in shares) == pytest.approx(1)
        areas = [area_of(step, shares) for step in range(2000)]
        assert areas == [area_of(step, shares) for step in range(2000)]
        for area, share in shares:
            assert areas.count(area) / 2000 == pytest.approx(share, abs=0.04)


def test_every_listed_interior_has_a_kind_and_is_listed_once(recipe) -> None:
    interiors = recipe["interiors"]
    kinds = interiors.listed()
    lines = interiors.LIST.read_text().splitlines()
    assert sum(len(line.partition(":")[2].split()) for line in lines if not line.startswith("#")) == len(kinds) > 200
    assert set(kinds.values()) == set(interiors.SHARES) == set(interiors.VIEWS)


@pytest.mark.parametrize("size", [(400, 300), (300, 400), (448, 120), (90, 60)])
def test_a_view_is_a_part_of_its_photo_and_the_same_each_time(recipe, size: tuple[int, int]) -> None:
    from PIL import Image

    interiors = recipe["interiors"]
    across = np.linspace(10, 250, size[0])[None].repeat(size[1], 0)
    down = np.linspace(10, 250, size[1])[:, None].repeat(size[0], 1)
    photo = Image.fromarray(np.stack([across, down, np.full_like(across, 60)], 2).astype(np.uint8))
    seen = [np.asarray(interiors.view(photo, f"photo.{number}"), np.float32) for number in (1, 1, 2)]
    assert np.array_equal(seen[0], seen[1])
    assert seen[0].shape != seen[2].shape or not np.array_equal(seen[0], seen[2])
    for view in seen:
        assert max(view.shape) == interiors.VIEW_SIDE
        assert view[..., 2].min() > 55  # nothing from outside of the photo, which would be black
        whole = np.asarray(photo, np.float32)
        assert np.ptp(view[..., 0]) <= np.ptp(whole[..., 0])
        columns, rows = view[..., 0].mean(0), view[..., 1].mean(1)
        assert np.corrcoef(rows, np.arange(len(rows)))[0, 1] > 0.99  # upright
        assert abs(np.corrcoef(columns, np.arange(len(columns)))[0, 1]) > 0.99  # either way round


def test_the_thing_in_front_is_found_only_where_its_outline_is_a_jump(recipe) -> None:
    foreground, ground = recipe["paste"].foreground, torch.linspace(0, 1, 96)[:, None].expand(96, 128)
    near = torch.zeros(96, 128)
    near[30:80, 40:90] = 3
    mask = foreground(ground + near)
    assert torch.equal(mask, torch.nn.functional.pad(torch.ones(46, 46), (42, 40, 32, 18)).bool())
    assert foreground(torch.linspace(0, 3, 128).expand(96, 128)) is None  # near on one side, but by no jump
    assert foreground(ground) is None
    assert foreground(torch.zeros(96, 128)) is None


def test_what_is_pasted_is_nearer_than_what_it_hides_and_crisp(recipe) -> None:
    pasted = 0
    for seed in range(12):
        random = torch.Generator().manual_seed(seed)
        image, other = torch.zeros(3, 96, 128), torch.ones(3, 96, 128)
        disparity = torch.linspace(0, 1, 96)[:, None].repeat(1, 128)
        others = torch.zeros(96, 128)
        others[30:80, 40:90] = 3
        before = disparity.clone()
        if not recipe["paste"].paste(image, disparity, other, others, random):
            assert not image.any()
            assert torch.equal(disparity, before)
            continue
        changed = disparity != before
        pasted += 1
        assert torch.equal(changed, image[0] > 0.5)
        inside, outside = disparity[changed].min(), disparity[~changed]
        around = torch.nn.functional.max_pool2d(changed[None, None].float(), 5, 1, 2)[0, 0].bool() & ~changed
        assert inside > disparity[around].float().quantile(0.9)
        assert torch.equal(outside, before[~changed])
    assert pasted >= 8


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


def test_the_smaller_mirrored_view_has_its_share(recipe, cache: Path) -> None:
    net = recipe["export"].load(_checkpoint(cache))
    image = torch.rand(1, 3, 128, 192, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        both, alone = net(image), net.net(image)
        assert float((both - alone).abs().max()) > 1e-4
        net.share = 0.0
        assert torch.allclose(net(image), alone, atol=1e-4)


def test_two_views_that_agree_but_for_scale_and_shift_change_nothing(recipe) -> None:
    class Ramp(torch.nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            found = image.mean(1)
            return found if image.shape[-1] == 192 else 3 * found + 7

    image = torch.linspace(0, 1, 192).expand(1, 3, 128, 192)
    found = recipe["export"].TwoViews(Ramp())(image)
    assert torch.allclose(found, image.mean(1), atol=0.01)


def test_a_layout_that_sees_no_room_changes_nothing_and_one_that_does_moves_large_shapes(recipe) -> None:
    laid_out, cell = recipe["network"].laid_out, recipe["network"].CELL
    fine = torch.rand(1, 1, 64, 96, generator=torch.Generator().manual_seed(0))
    indoor = torch.linspace(0, 5, 6).expand(1, 1, 4, 6)
    none, room = torch.zeros_like(indoor), torch.full((1, 1, 1, 1), 30.0)
    assert torch.allclose(laid_out(fine, (indoor, none, -room)), fine, atol=1e-5)
    means = torch.nn.functional.avg_pool2d(laid_out(fine, (indoor, none, room)), cell)[..., 1:-1]
    assert torch.allclose(means, indoor[..., 1:-1], atol=0.15)


def test_a_change_of_large_shapes_keeps_outlines_and_sinks_no_ring(recipe) -> None:
    fitted, pool = recipe["network"].fitted, torch.nn.functional.avg_pool2d
    wall = torch.zeros(1, 1, 160, 160)
    thing = wall.clone()
    thing[..., 64:96, 64:96] = 3
    assert torch.allclose(fitted(thing, torch.zeros(1, 1, 10, 10)), thing, atol=1e-5)
    assert torch.allclose(fitted(thing, torch.full((1, 1, 10, 10), 2.0)), thing + 2, atol=1e-4)
    found = fitted(thing, -0.5 * pool(thing, 16))  # half as near: in the end half the step
    assert 1 < float(found[..., 80, 80]) < 2
    assert float(found.min()) > -0.1  # added as it is, it would sink the wall by half of that step
    jumps = found[0, 0, 80].diff()
    assert set(jumps.abs().topk(2).indices.tolist()) == {63, 95}
    assert float(jumps[63]) > 1


def test_the_first_layers_swallow_the_scale_of_the_maps(recipe) -> None:
    layout, network = recipe["layout"], recipe["network"]
    random = torch.Generator().manual_seed(0)
    batch = {
        "deep": 5 + 3 * torch.randn(2, 12, 4, 6, generator=random),
        "shallow": 0.1 * torch.randn(2, 8, 8, 12, generator=random) - 2,
    }
    scale, net = layout.Scale([batch]), network.Layout(12, 8, 16)
    scaled = scale(batch)
    assert all(float(part.mean().abs()) < 0.01 and abs(float(part.std()) - 1) < 0.1 for part in scaled)
    plain = scale.swallowed(net)(batch["deep"], batch["shallow"])
    for wanted, found in zip(net(*scaled), plain, strict=True):
        assert torch.allclose(wanted, found, atol=1e-4)


@pytest.fixture(scope="module")
def finished(exported: Path, cache: Path) -> Path:
    """A network with a layout and new outlines, each trained for a moment."""
    common = (
        "--cache", cache, "--start", exported, "--variant", "tiny", "--files", 2, "--steps", 3, "--workers", 1,
    )  # fmt: skip
    run("layout.py", *common, "--width", 16)
    run("outlines.py", *common)
    out = cache / "finished.onnx"
    parts = [cache / f"run-{name}" / "checkpoint.pt" for name in ("outlines", "layout")]
    run("export.py", "--checkpoint", parts[0], "--layout", parts[1], "--out", out)
    return out


def test_later_trainings_change_their_own_parts_alone(recipe, finished: Path, exported: Path, cache: Path) -> None:
    before, after = (recipe["network"].from_onnx(path, "tiny") for path in (exported, finished))
    assert before.layout is None
    stored = torch.load(cache / "run-layout" / "checkpoint.pt", weights_only=True)["layout"]
    changed = set()
    for name, value in after.state_dict().items():
        if name.startswith("layout."):
            assert torch.allclose(value, stored[name.removeprefix("layout.")], atol=2e-3, rtol=2e-3), name
        elif not torch.allclose(value, before.state_dict()[name], atol=1e-6):
            changed.add(name)
    assert changed
    assert all(name.startswith(recipe["outlines"].PARTS) for name in changed)
    for name in ("layout", "outlines"):
        log = (cache / f"run-{name}" / "log.csv").read_text().splitlines()
        assert log[0].startswith("step,minutes,loss,photos_")
        assert [line.split(",")[0] for line in log[1:]] == ["0", "3"]


def test_a_part_whose_training_was_stopped_goes_on_as_if_it_had_not_been(
    recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached = recipe["cached"]
    monkeypatch.setattr(cached, "SAVE_STEPS", 2)
    options = argparse.Namespace(rate=0.1, steps=7, files=3)
    numbers = torch.arange(12.0).reshape(3, 4)

    def trained(folder: Path, stop: int = 100) -> torch.Tensor:
        torch.manual_seed(0)
        part = torch.nn.Linear(4, 1)
        left = iter(range(stop))

        def loss_of(number: int) -> torch.Tensor:
            if next(left, None) is None:
                raise KeyboardInterrupt
            return (part(numbers[number]) - number).square().sum()

        cached.train(folder, part, options, 1, loss_of, dict)
        return part.weight.detach()

    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "parts", 5)  # kept after four
    assert torch.equal(trained(tmp_path / "parts", 3), trained(tmp_path / "whole"))


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
