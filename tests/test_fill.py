"""Fills by name, by function and from installed packages; what one may do, and what it is told."""

import sys

import cv2
import numpy as np
import pytest

import depthflow
from depthflow.errors import InputError, UnknownNameError, UsageError
from depthflow.jobs.spec import JobSpec
from depthflow.render import fill as fills
from depthflow.render.layers import peel
from depthflow.scene.camera import Camera

SHIFT = 40.0


def scene():
    photo = np.full((120, 160, 3), (10, 120, 200), np.uint8)
    depth = np.full((60, 80), 0.1, np.float32)
    photo[40:80, 60:100], depth[20:40, 30:50] = (230, 20, 30), 0.9
    return photo, depth


def pink(photo, hole):
    return np.full_like(photo, (255, 0, 255))


@pytest.fixture
def registered():
    fills.register("pink", pink)
    yield "pink"
    fills._registered.clear()


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A package with two fills, one of which cannot be loaded."""
    (tmp_path / "my_fills.py").write_text("def grey(photo, hole):\n    return photo * 0 + 77\n")
    info = tmp_path / "my_fills-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-fills\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[depthflow.fills]\ngrey = my_fills:grey\nbroken = not_there:fill\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("my_fills", None)


def test_a_fill_colours_the_hole_and_nothing_else():
    photo, depth = scene()
    back = peel(photo, depth, SHIFT, fill=pink).sheets[0].colour[..., :3]
    changed = (back != photo).any(2)
    assert (back[changed] == (255, 0, 255)).all()
    hidden = peel(photo, depth, SHIFT).disoccluded
    large = cv2.resize(hidden.astype(np.uint8), (160, 120), interpolation=cv2.INTER_NEAREST).astype(bool)
    assert changed[large].all()
    assert not changed[:36].any()


@pytest.mark.parametrize("turned", [False, True])
def test_the_program_s_own_fills_panoramas(turned):
    """Longer than OpenCV takes; see `classic_fill._sample`."""
    photo = np.full((60, 33_000, 3), (10, 120, 200), np.uint8)
    depth = np.full((60, 1024), 0.1, np.float32)
    photo[20:40, 9_668:11_279], depth[20:40, 300:350] = (230, 20, 30), 0.9
    if turned:
        photo, depth = np.ascontiguousarray(photo.swapaxes(0, 1)), np.ascontiguousarray(depth.T)
    layers = peel(photo, depth, SHIFT)
    hidden = cv2.resize(layers.disoccluded.astype(np.uint8), photo.shape[1::-1], interpolation=cv2.INTER_NEAREST)
    assert hidden.any()
    np.testing.assert_allclose(layers.sheets[0].colour[hidden > 0, :3].mean(0), (10, 120, 200), atol=2)


def test_a_fill_is_told_where_and_how_far_away():
    photo, depth = scene()
    seen = []

    def listening(picture, hole):
        seen.append((picture.copy(), hole))
        return picture

    peel(photo, depth, SHIFT, fill=listening)
    ((picture, hole),) = seen
    np.testing.assert_array_equal(picture, photo)
    assert hole.mask.shape == hole.depth.shape == hole.far.shape == depth.shape
    assert hole.mask[21:39, 31].all()
    np.testing.assert_allclose(hole.depth[hole.mask], 0.1, atol=0.01)
    assert (depth.ravel()[hole.far[hole.mask]] == np.float32(0.1)).all(), "far points at the far side"
    assert hole.mask_at(160, 120).shape == (120, 160)


@pytest.mark.parametrize("wrong", [lambda p, h: p[::2], lambda p, h: p.astype(float), lambda p, h: None])
def test_a_fill_that_gives_something_else_is_told_so(wrong):
    with pytest.raises(InputError, match=r"<lambda>.*\(120, 160, 3\)"):
        peel(*scene(), SHIFT, fill=wrong)


def test_a_registered_name_is_a_fill_of_jobs_too(registered):
    assert fills.named("pink") is pink
    job = JobSpec(photo="x.png", layers={"fill": "pink"})
    assert job.digest() != JobSpec(photo="x.png").digest()
    with pytest.raises(UsageError, match="own fill"):
        fills.register("classic", pink)


def test_an_installed_package_brings_fills(installed):
    assert {"classic", "grey", "broken"} <= set(fills.names())
    photo, depth = scene()
    layers = peel(photo, depth, SHIFT, fill=fills.named("grey"))
    # Not at the hole's rim, where depth pixels and photo pixels part.
    assert (layers.sheets[0].colour[50:54, 64:68, :3] == 77).all()
    with pytest.raises(UsageError, match=r"'broken'.*not_there"):
        fills.named("broken")


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(UnknownNameError) as caught:
        fills.named("clasic")
    assert "did you mean 'classic'" in caught.value.hint
    with pytest.raises(UsageError) as refused:
        JobSpec.parse({"photo": "x", "layers": {"fill": "clasic"}}, source="job.toml")
    assert "job.toml: layers.fill: unknown fill 'clasic'" in refused.value.message
    assert "did you mean 'classic'" in refused.value.hint


@pytest.mark.gl
def test_the_renderer_takes_a_name_or_a_function(registered):
    photo, depth = scene()
    camera = Camera(x=0.15, relief=0.9, focus=0.1)
    frames = []
    for fill in ("classic", "pink", pink):
        with depthflow.Renderer(photo, depth, size="photo", fill=fill) as renderer:
            frames.append(renderer.render(camera).astype(int))
    np.testing.assert_array_equal(frames[1], frames[2])
    of_pink = (np.abs(frames[1] - (255, 0, 255)).max(2) < 3).sum()
    assert of_pink > 100
    assert (np.abs(frames[0] - (255, 0, 255)).max(2) < 60).sum() == 0
