"""From `depthflow submit` to the video, through depthflowd with its real engine."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from houses import House
from running import SHORT, depthflow, pixels

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals")

OPTIONS = (*SHORT, "--motion", "zoom", "--effect", "vignette")


@pytest.mark.gl
@pytest.mark.slow
def test_what_is_submitted_is_what_render_makes(house: House, photo: Path, depth_map: Path) -> None:
    photos, elsewhere = house.root / "photos", house.root / "elsewhere"
    for folder in (photos, elsewhere):
        folder.mkdir()
    house.file.write_text(f'{house.file.read_text()}[api]\nroots = ["photos"]\n')
    shutil.copy(photo, photos / "cat.png")
    shutil.copy(depth_map, photos / "cat.depth.png")
    shutil.copy(photo, elsewhere / "dog.png")
    shutil.copy(depth_map, elsewhere / "dog.depth.png")
    house.start()
    waited = depthflow("submit", "photos/cat.png", *OPTIONS, "--wait", cwd=house.root, **house.env)
    assert waited.code == 0, waited.err + house.log()
    assert waited.out.startswith(f"{photos / 'cat.mp4'}: 64x48, 4 frames at 8/s, ")
    assert "Rendering" in waited.err
    rendered = depthflow("render", photos / "cat.png", *OPTIONS, "-o", "here.mp4", cwd=house.root, **house.env)
    assert rendered.code == 0, rendered.err
    assert np.array_equal(pixels(photos / "cat.mp4"), pixels(house.root / "here.mp4"))

    sent = depthflow("submit", "elsewhere", *OPTIONS, "-o", "out/", "--json", cwd=house.root, **house.env)
    assert sent.code == 0, sent.err + house.log()
    assert sent.event("done")["outputs"][0]["path"] == str(house.root / "out" / "dog.mp4")
    assert np.array_equal(pixels(house.root / "out" / "dog.mp4"), pixels(photos / "cat.mp4")), (
        "its depth map came along"
    )

    job = depthflow("show", "1", "--job", cwd=house.root, **house.env)
    (photos / "cat.mp4").unlink()
    again = depthflow("make", "-", cwd=house.root, data=job.out.encode(), **house.env)
    assert again.code == 0, again.err
    assert np.array_equal(pixels(photos / "cat.mp4"), pixels(house.root / "here.mp4"))
