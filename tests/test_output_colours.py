"""Saturated colours through the whole program: what a decoder shows is what was drawn, and tagged as what it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from video_samples import COLOURS, patch_colours, patches, seen, to_rgb

from depthflow.jobs.pipeline import make
from depthflow.jobs.spec import JobSpec
from depthflow.video.formats import FORMATS
from depthflow.video.probe import probe

pytestmark = pytest.mark.gl

YUV = {
    "mp4": "yuv420p", "hevc": "yuv420p", "hevc10": "yuv420p10le", "av1": "yuv420p", "webm": "yuv420p",
    "prores": "yuv422p10le", "prores4444": "yuv444p12le",
}  # fmt: skip
SMALL, HD = (320, 176), (1280, 720)


def render(folder: Path, name: str, size: tuple[int, int], picture: np.ndarray[Any, Any] | None = None) -> Path:
    """Two frames of a chart (or of another picture) that stands still, as large as it is, in one format."""
    chart, depth = folder / "chart.png", folder / "flat.png"
    Image.fromarray(patches(*size) if picture is None else picture).save(chart)
    Image.fromarray(np.full((16, 16 * size[0] // size[1]), 30000, np.uint16)).save(depth)
    path = folder / f"clip{FORMATS[name].suffix}"
    output = {"path": str(path), "format": name, "size": "photo", "fps": 10, "duration": 0.2, "quality": 95}
    output |= {"encoder": "software"} | ({"poster": 0} if name == "png" else {})
    job = {"photo": str(chart), "depth": {"file": str(depth)}, "motion": {"name": "still"}, "outputs": [output]}
    make(JobSpec.parse(job))
    return path


@pytest.mark.parametrize("size", [SMALL, HD], ids=["small", "hd"])
@pytest.mark.parametrize("name", YUV)
def test_a_chart_through_every_yuv_format(tmp_path: Path, name: str, size: tuple[int, int]) -> None:
    """BT.601 below 720 lines and BT.709 from there, limited range; by the decoder, and by what our own probe reads."""
    path = render(tmp_path, name, size)
    found = seen(path)
    matrix = 1 if size is HD else 6
    assert found.pixel_format == YUV[name]
    assert found.tags == (matrix, 1, 1, 1), "matrix, limited range, BT.709 primaries and transfer"
    assert len(found.frames) == 2
    np.testing.assert_allclose(patch_colours(to_rgb(found.frames[-1])), COLOURS, atol=3)
    facts = probe(path)
    assert (facts.color_space, facts.color_range) == ("bt709" if size is HD else "smpte170m", "tv")
    assert (facts.color_primaries, facts.color_transfer) == ("bt709", "bt709")
    if path.suffix in (".mp4", ".mov"):
        data = path.read_bytes()
        assert 0 < data.index(b"moov") < data.index(b"mdat"), "the index is in front"


@pytest.mark.parametrize("size", [SMALL, HD], ids=["small", "hd"])
def test_a_chart_through_avif(tmp_path: Path, size: tuple[int, int]) -> None:
    found = seen(render(tmp_path, "avif", size))
    assert found.tags == (1 if size is HD else 6, 1, 1, 1), "matrix, limited range, BT.709 primaries and transfer"
    np.testing.assert_allclose(patch_colours(to_rgb(found.frames[-1])), COLOURS, atol=3)


@pytest.mark.parametrize("name", ["ffv1", "apng", "png"])
def test_lossless_formats_show_exactly_what_was_drawn(tmp_path: Path, name: str) -> None:
    noise = np.random.default_rng(5).integers(0, 256, (48, 64, 3), np.uint8)
    path = render(tmp_path, name, (64, 48), noise)
    if name == "ffv1":
        shown = seen(path).frames[-1].to_ndarray(format="rgb24")
    else:
        shown = np.asarray(Image.open(path).convert("RGB"))
    np.testing.assert_array_equal(shown, noise)


@pytest.mark.parametrize("mode", ["L", "LA", "I;16"])
def test_grey_photos_are_grey(tmp_path: Path, mode: str) -> None:
    ramp = np.tile(np.arange(256, dtype=np.uint8), (64, 1))
    grey = Image.fromarray(ramp.astype(np.uint16) * 257) if mode == "I;16" else Image.fromarray(ramp).convert(mode)
    path = render(tmp_path, "mp4", (256, 64), np.asarray(grey))
    shown = to_rgb(seen(path).frames[-1]).astype(int)
    assert np.ptp(shown, axis=2).max() <= 2, "no tint"
    np.testing.assert_allclose(shown[32].mean(-1), np.arange(256), atol=3)
