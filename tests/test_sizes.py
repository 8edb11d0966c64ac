"""Frame sizes, as people write them."""

import pytest

from depthflow.errors import UsageError
from depthflow.jobs.sizes import check_size, frame_size

LANDSCAPE, PORTRAIT, PANORAMA = (3000, 2000), (2000, 3000), (40000, 1000)


@pytest.mark.parametrize(
    ("size", "photo", "fit", "expected"),
    [
        ("1920x1080", LANDSCAPE, "crop", (1920, 1080)),
        ("1920X1080", PORTRAIT, "crop", (1920, 1080)),
        ("1920×1080", LANDSCAPE, "pad", (1920, 1080)),
        ("1080p", LANDSCAPE, "crop", (1620, 1080)),
        ("1080p", PORTRAIT, "crop", (1080, 1620)),
        ("900x", LANDSCAPE, "crop", (900, 600)),
        ("x900", LANDSCAPE, "crop", (1350, 900)),
        ("4k", PORTRAIT, "crop", (3840, 2160)),
        ("story", LANDSCAPE, "crop", (1080, 1920)),
        ("square", LANDSCAPE, "fit", (1080, 720)),
        ("1920x1080", PORTRAIT, "fit", (720, 1080)),
        ("photo", (1234, 567), "crop", (1234, 567)),
        ("640x", (960, 1441), "crop", (640, 960)),
        ("1080p", PANORAMA, "crop", (16384, 410)),
        ("64x", (1, 100000), "crop", (2, 16384)),
    ],
)
def test_pixels(size, photo, fit, expected):
    assert frame_size(size, photo, fit) == expected


WRONG = ["", "x", "1920", "0x100", "1x1", "99999x10", "20000x", "hd2", "12.5x3", "-4x4", "1pp"]


@pytest.mark.parametrize("wrong", WRONG)
def test_refused(wrong):
    with pytest.raises(UsageError, match="size"):
        check_size(wrong)
