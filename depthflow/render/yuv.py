"""YUV as videos have it: the matrix, applied to textures before they are drawn, and the packing of frames. No GL.

RGB to YUV is linear, and so are sampling and blending: a photo that is turned into YUV once gives frames that are YUV
already, and no frame has to be converted. Limited range: Y 16 to 235, U and V 16 to 240 (ITU-R BT.709-6 and BT.601-7).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from depthflow.opencv import cv2

Colour = Literal["rgb", "bt709", "smpte170m"]

_STRIP = 64
"""Rows that are packed at once, even: half a megabyte of 1080p."""
_ODD = 24
"""Bytes between planes; a multiple of no vector's size."""

# Weights of red and blue in luma.
_WEIGHTS = {"bt709": (0.2126, 0.0722), "smpte170m": (0.299, 0.114)}

BLACK = {
    "rgb": (0.0, 0.0, 0.0),
    "bt709": (16 / 255, 128 / 255, 128 / 255),
    "smpte170m": (16 / 255, 128 / 255, 128 / 255),
}

WHITE = {
    "rgb": (1.0, 1.0, 1.0),
    "bt709": (235 / 255, 128 / 255, 128 / 255),
    "smpte170m": (235 / 255, 128 / 255, 128 / 255),
}


def matrix(colour: Literal["bt709", "smpte170m"]) -> NDArray[np.float64]:
    """(4, 4): takes (R, G, B, A), 0..255 and premultiplied, to (Y, U, V, A), premultiplied likewise."""
    red, blue = _WEIGHTS[colour]
    luma = np.array([red, 1.0 - red - blue, blue])
    rows = np.zeros((4, 4))
    rows[0, :3] = luma * 219 / 255
    rows[1, :3] = (np.array([0, 0, 1.0]) - luma) / (1 - blue) / 2 * 224 / 255
    rows[2, :3] = (np.array([1.0, 0, 0]) - luma) / (1 - red) / 2 * 224 / 255
    rows[:3, 3] = np.array([16, 128, 128]) / 255
    rows[3, 3] = 1.0
    return rows


def to_yuv(pixels: NDArray[np.uint8], colour: Literal["bt709", "smpte170m"]) -> NDArray[np.uint8]:
    """(H, W, 4) uint8 premultiplied RGBA as premultiplied YUVA."""
    return np.asarray(cv2.transform(pixels, matrix(colour)), np.uint8)


class Packer:
    """Packs frames of one size as planar YUV 4:2:0, a strip after the other.

    A strip is packed while it is in the processor's cache, plane by plane: two channels of four are all that chroma
    takes. Memory in between is kept: a kernel clears what is handed out anew, which took as long as the packing.

    Args:
        size: (width, height), both even.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self._size = size
        width, rows = size[0], min(_STRIP, size[1])
        self._strip = np.empty((rows, width, 4), np.uint8)
        # OpenCV writes past the cache where all it splits into is aligned alike, and what is wanted next is not in it.
        apart = np.empty((3, rows * width + _ODD), np.uint8)
        self._planes = [plane[: rows * width].reshape(rows, width) for plane in apart]
        self._shifted = np.empty((rows // 2, width // 2 - 1), np.uint8)

    def pack(self, frame: NDArray[np.uint8], out: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """See `pack_420`; the planes go into `out`, which is returned."""
        for top in range(0, self._size[1], _STRIP):
            self._pack(frame[top : top + _STRIP], top, out)
        return out

    def pack_read(self, read: Callable[..., None], out: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Pack a frame that is not in memory yet; the planes go into `out`, which is returned.

        Args:
            read: called with an array of (rows, width, 4) uint8 YUVA to fill, and the number of its first row.
        """
        height = self._size[1]
        for top in range(0, height, _STRIP):
            strip = self._strip[: height - top]
            read(strip, top)
            self._pack(strip, top, out)
        return out

    def _pack(self, strip: NDArray[np.uint8], top: int, out: NDArray[np.uint8]) -> None:
        """Pack an even number of rows."""
        width, height = self._size
        rows, half = len(strip) // 2, width // 2
        *chroma, unused = (plane[: 2 * rows] for plane in self._planes)
        cv2.split(strip, [out[top : top + 2 * rows], *chroma, unused])
        for full, plane in zip(chroma, out[height:].reshape(2, height // 2, half), strict=True):
            part = plane[top // 2 : top // 2 + rows]
            # The mean of the pairs that begin and that end at an even column weighs 1 2 1 round it.
            cv2.resize(full, (half, rows), dst=part, interpolation=cv2.INTER_AREA)
            if width > 2:
                inner, shifted = part[:, 1:], self._shifted[:rows]
                cv2.resize(full[:, 1:-1], (half - 1, rows), dst=shifted, interpolation=cv2.INTER_AREA)
                cv2.addWeighted(inner, 0.5, shifted, 0.5, 0, dst=inner)


def pack_420(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A frame as planar YUV 4:2:0: (H + H / 2, W) uint8, the Y plane, then U, then V.

    Chroma is sited as H.264 and its like have it by default: between two rows, on the even columns.

    Args:
        frame: (H, W, 4) uint8 YUVA, even width and height.
    """
    height, width = frame.shape[:2]
    return Packer((width, height)).pack(frame, np.empty((height * 3 // 2, width), np.uint8))
