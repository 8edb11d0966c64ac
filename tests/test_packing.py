"""Frames that the GPU packs as 4:2:0 against those that the CPU packs."""

from __future__ import annotations

from functools import partialmethod
from pathlib import Path

import av
import gl_scene
import numpy as np
import pytest
from PIL import Image

from depthflow.jobs.pipeline import make
from depthflow.jobs.spec import JobSpec
from depthflow.render.frames import FrameRenderer
from depthflow.render.yuv import pack_420
from depthflow.scene.camera import Camera

pytestmark = pytest.mark.gl

CLIP = [Camera(x=0.02 * number) for number in range(4)]


def renderer(size: tuple[int, int], *, ring: bool, supersample: float = 1.0, pack: bool = True) -> FrameRenderer:
    return FrameRenderer(
        gl_scene.photo(),
        gl_scene.depth(),
        size=size,
        ring=ring,
        pack=pack,
        colour="bt709",
        supersample=supersample,
    )


@pytest.mark.parametrize("size", [(64, 48), (8, 2), (72, 50), (16, 6)])
def test_the_gpu_packs_as_the_cpu_does(size: tuple[int, int]) -> None:
    with renderer(size, ring=True) as packing, renderer(size, ring=False, pack=False) as plain:
        assert packing.packs
        assert not plain.packs
        packed = [frame.copy() for frame in packing.raw_frames(CLIP)]
        wanted = [pack_420(frame) for frame in plain.raw_frames(CLIP)]
    assert packed[0].shape == (size[1] * 3 // 2, size[0])
    difference = np.abs(np.array(packed, int) - np.array(wanted, int))
    np.testing.assert_array_equal(difference[:, : size[1]], 0)
    assert difference.max() <= 1, "the CPU rounds chroma twice"


@pytest.mark.parametrize(
    ("size", "supersample", "ring"),
    [((64, 48), 1.0, False), ((66, 48), 1.0, True), ((64, 48), 2.0, True), ((64, 48), 1.5, False)],
)
def test_what_the_gpu_cannot_pack_the_cpu_does(size: tuple[int, int], supersample: float, ring: bool) -> None:
    with renderer(size, ring=ring, supersample=supersample) as drawer:
        packed = [frame.copy() for frame in drawer.raw_frames(CLIP)]
    with renderer(size, ring=False, supersample=supersample, pack=False) as plain:
        wanted = [pack_420(frame) for frame in plain.raw_frames(CLIP)]
    np.testing.assert_array_equal(packed, wanted)


def test_a_video_of_packed_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photo = tmp_path / "photo.png"
    Image.fromarray(gl_scene.photo()).save(photo)
    plain_init = FrameRenderer.__init__
    videos = []
    for ring in (False, True):
        monkeypatch.setattr(FrameRenderer, "__init__", partialmethod(plain_init, ring=ring))
        path = tmp_path / f"{ring}.mp4"
        output = {"path": str(path), "size": "64x48", "fps": 10, "duration": 0.5, "crf": 0}
        make(JobSpec.parse({"photo": str(photo), "outputs": [output]}), cache_bytes=0)
        with av.open(str(path)) as container:
            videos.append([frame.to_ndarray(format="yuv420p") for frame in container.decode(video=0)])
    assert len(videos[0]) == len(videos[1]) == 5
    assert np.abs(np.array(videos[0], int) - np.array(videos[1], int)).max() <= 1
