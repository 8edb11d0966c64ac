"""What a clip's cameras ask of a renderer: none of them may be overlooked, however short it shows."""

import numpy as np
import pytest

from depthflow.jobs.library import load_motion
from depthflow.scene.camera import Camera
from depthflow.scene.framing import hide_edges, magnification, overshoot, reach, sample
from depthflow.scene.motion import Timing, poses

EXTENT = FRAME = (1.0, 0.6)


def test_a_movement_of_one_frame_in_a_long_clip_counts():
    clip = [Camera(x=0.01 * np.sin(i / 90), zoom=1.0 + i / 7200) for i in range(3600)]
    for index, field in ((1234, "x"), (2345, "y"), (3456, "roll"), (77, "shift_x")):
        clip[index] = Camera(**{field: 0.2})
    taken = sample(clip)
    assert len(taken) == 48
    for index in (1234, 2345, 3456, 77):
        assert clip[index] in taken
    depth = np.zeros((60, 100), np.float32)
    zoom = hide_edges(taken, depth, EXTENT, FRAME)
    assert zoom == pytest.approx(hide_edges(clip, depth, EXTENT, FRAME))


@pytest.mark.parametrize("name", ["orbital", "circle", "handheld", "spiral", "figure-eight", "rotation"])
@pytest.mark.parametrize("loops", [1, 24, 47, 48])
def test_many_rounds_ask_for_as_much_as_one(name, loops):
    motion = load_motion(name)
    one, many = (list(poses(motion, Camera(), Timing(150, loops=count))) for count in (1, loops))
    few = sample(many)
    assert len(few) <= 48
    for asked in (reach, magnification):
        assert asked(few, EXTENT) == pytest.approx(asked(one, EXTENT), rel=5e-3)
    assert overshoot(few, EXTENT, FRAME) == pytest.approx(overshoot(one, EXTENT, FRAME), rel=0.02, abs=1e-9)


def test_short_and_still_clips():
    short = [Camera(x=x) for x in (0.0, 0.1, 0.2)]
    assert sample(short) == short
    assert sample([Camera()] * 1000) == [Camera()]
    assert sample([Camera(pivot=None)] * 500 + [Camera(pivot=0.0)]) == [Camera(), Camera(pivot=0.0)]
