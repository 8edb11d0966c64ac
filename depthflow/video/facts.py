"""VideoFacts: what is in a finished file. Data only."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path


@dataclass(frozen=True, slots=True)
class VideoFacts:
    """What is in a video file (or a folder of images).

    Attributes:
        frames: pictures that really decode.
        fps: frames a second; 0 for images, which have none.
        rate: the same as a fraction; None where it is not exact or not known.
        duration: seconds.
        codec: ffmpeg's name: "h264", "vp9", "gif" ...
        pixel_format: ffmpeg's name, or Pillow's mode for images.
        color_space: the YUV matrix, such as "bt709"; None where the file says nothing. So are the three
            others: "tv" or "pc", the primaries, and the transfer.
        bytes: size of the file.
        metadata: texts in the file: "comment", "title", "encoder" ...; empty where nobody asked for them.
        stereo: how two views lie in its frames, in Matroska's words ("left_right", "top_bottom", ...); None where the
            file says nothing.
        path: of the file.
    """

    path: Path
    frames: int
    width: int
    height: int
    fps: float
    duration: float
    codec: str
    pixel_format: str
    color_space: str | None = None
    color_range: str | None = None
    color_primaries: str | None = None
    color_transfer: str | None = None
    bytes: int = 0
    has_audio: bool = False
    rate: Fraction | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    stereo: str | None = None
