"""The encoders as one table: each row says how people's quality (0 to 100) becomes the encoder's own scale.

Data only; whether one works on this machine is for `probing` to find out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from depthflow.errors import UnknownNameError, UsageError
from depthflow.video.formats import FormatInfo

_X26X = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow")
_NVENC = ("p1", "p2", "p3", "p4", "p5", "p6", "p7", "fast", "medium", "slow")
_QSV = ("veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow")
_AMF = ("speed", "balanced", "quality")


@dataclass(frozen=True, slots=True)
class Encoder:
    """One encoder of ffmpeg.

    Attributes:
        codecs: what it makes, in the words of `FormatInfo.codec`.
        family: "software", or the name of the hardware interface.
        knob: the option that takes the quality; "" where there is none.
        scale: its values at quality 0, 50, 75 and 100.
        limits: smallest and largest value of the knob.
        step: the finest difference of the knob that it sees.
        preset: name of its speed option, known values, and ours; the values are empty if they are numbers.
        options: what it always gets.
        steady: what it gets when the knob is used (rate control by quality), left out with a bit rate.
        pixel_formats: 8-bit and 10-bit input, where it is not the format's own.
        grey: it takes pictures without colour, as `FormatInfo.apart` wants them.
    """

    name: str
    codecs: tuple[str, ...]
    family: str = "software"
    knob: str = ""
    scale: tuple[float, float, float, float] = (0, 0, 0, 0)
    limits: tuple[int, int] = (0, 51)
    step: float = 1.0
    preset: tuple[str, tuple[str, ...], str] | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    steady: Mapping[str, str] = field(default_factory=dict)
    pixel_formats: tuple[str, str] | None = None
    grey: bool = False

    @property
    def hardware(self) -> bool:
        return self.family != "software"

    def level(self, quality: int) -> int:
        """The knob's value for a quality of 0 to 100: straight lines between the four values of `scale`."""
        marks = (0, 50, 75, 100)
        for low, high, a, b in zip(marks, marks[1:], self.scale, self.scale[1:], strict=False):
            if quality <= high:
                return round(a + (b - a) * (quality - low) / (high - low))
        return round(self.scale[-1])

    def pixel_format(self, format_: FormatInfo, *, alpha: bool) -> str:
        """What it is given for this format."""
        if alpha and format_.alpha_format:
            return format_.alpha_format
        if self.pixel_formats is None:
            return format_.pixel_format
        return self.pixel_formats["10" in format_.pixel_format]

    def speed(self, preset: str | None) -> dict[str, str]:
        """The option that sets its speed; our own choice for None.

        Raises:
            UsageError: it has no presets. UnknownNameError: it does not know this one.
        """
        if self.preset is None:
            if preset is not None:
                raise UsageError(f"{self.name} has no presets", "leave the encoder preset out")
            return {}
        option, known, ours = self.preset
        value = ours if preset is None else preset
        if known and value not in known:
            raise UnknownNameError(f"preset of {self.name}", value, known)
        if not known and not value.lstrip("-").isdigit():
            raise UsageError(f"the presets of {self.name} are numbers, not {value!r}", f"ours is {ours}")
        return {option: value} if value else {}

    def rate(self, quality: int, crf: int | None) -> dict[str, str]:
        """Options that set the quality.

        Raises:
            UsageError: crf is beyond this encoder's scale.
        """
        if not self.knob:
            return {}
        value = self.level(quality)
        if crf is not None:
            low, high = self.limits
            if not low <= crf <= high:
                raise UsageError(f"{self.name} takes a rate factor of {low} to {high}, not {crf}", "smaller is better")
            # VideoToolbox counts upwards: 100 is its best.
            value = crf if self.scale[0] > self.scale[-1] else round(100 - crf * 100 / 51)
        return {self.knob: str(value), **self.steady}


_P8_P10 = ("nv12", "p010le")
_H26X_SCALE = (42.0, 29.0, 23.0, 15.0)

# x264 at veryfast: measured at 1080p on a moving photo, 34 CPU-ms a frame and 42.1 dB at 0.81 MB; medium
# needs 91 CPU-ms for 42.4 dB at 0.77 MB. The picture only drifts, so the slow searches find little.
_TABLE = (
    Encoder("libx264", ("h264",), knob="crf", scale=(40, 26, 20, 12), step=0.1, preset=("preset", _X26X, "veryfast")),
    Encoder("libopenh264", ("h264",), knob="qmax", scale=(51, 32, 26, 18), steady={"rc_mode": "quality"}),
    Encoder(
        "libx265", ("hevc", "hevc10"), knob="crf", scale=(44, 29, 23, 14), step=0.1,
        preset=("preset", _X26X, "veryfast"), options={"x265-params": "log-level=error"},
    ),
    Encoder(
        "libsvtav1", ("av1",), knob="crf", scale=(60, 40, 30, 16), limits=(1, 63), preset=("preset", (), "8"),
    ),
    Encoder(
        "libaom-av1", ("av1",), knob="crf", scale=(60, 40, 30, 16), limits=(0, 63),
        preset=("cpu-used", tuple(map(str, range(9))), "6"), options={"row-mt": "1"}, steady={"b:v": "0"}, grey=True,
    ),
    Encoder(
        "libvpx-vp9", ("vp9",), knob="crf", scale=(60, 40, 30, 15), limits=(0, 63),
        preset=("cpu-used", (), "4"), options={"row-mt": "1", "deadline": "good"}, steady={"b:v": "0"},
    ),
    Encoder("prores_ks", ("prores", "prores4444"), options={"vendor": "apl0"}),
    Encoder("ffv1", ("ffv1",), options={"level": "3", "slices": "4", "slicecrc": "1"}),
    Encoder("gif", ("gif",)),
    Encoder("libwebp_anim", ("webp",), knob="quality", scale=(20, 60, 80, 98)),
    Encoder("apng", ("apng",), options={"pred": "mixed"}),
    Encoder("png", ("png",), options={"pred": "mixed"}),
    Encoder("mjpeg", ("mjpeg",), knob="q:v", scale=(24, 8, 4, 1), options={"qmin": "1"}),
    *(
        Encoder(
            f"{codec}_nvenc", codecs, "nvenc", knob="cq", scale=scale, limits=limits,
            preset=("preset", _NVENC, "p5"), steady={"rc": "vbr", "b:v": "0"},
            pixel_formats=("yuv420p", "p010le"),
        )
        for codec, codecs, scale, limits in (
            ("h264", ("h264",), _H26X_SCALE, (0, 51)),
            ("hevc", ("hevc", "hevc10"), _H26X_SCALE, (0, 51)),
            ("av1", ("av1",), (60.0, 40.0, 30.0, 18.0), (0, 63)),
        )
    ),
    *(
        Encoder(
            f"{codec}_qsv", codecs, "qsv", knob="global_quality", scale=_H26X_SCALE, limits=(1, 51),
            preset=("preset", _QSV, "medium"), pixel_formats=_P8_P10,
        )
        for codec, codecs in (("h264", ("h264",)), ("hevc", ("hevc", "hevc10")), ("av1", ("av1",)))
    ),
    *(
        Encoder(
            f"{codec}_vaapi", codecs, "vaapi", knob=knob, scale=scale, limits=limits,
            steady={"rc_mode": "CQP"}, pixel_formats=_P8_P10,
        )
        for codec, codecs, knob, scale, limits in (
            ("h264", ("h264",), "qp", _H26X_SCALE, (1, 51)),
            ("hevc", ("hevc", "hevc10"), "qp", _H26X_SCALE, (1, 51)),
            ("av1", ("av1",), "global_quality", (200.0, 130.0, 95.0, 50.0), (1, 255)),
        )
    ),
    *(
        Encoder(
            f"{codec}_amf", codecs, "amf", knob="qp_i", scale=scale, limits=limits,
            preset=("quality", _AMF, "balanced"), steady={"rc": "cqp"}, pixel_formats=_P8_P10,
        )
        for codec, codecs, scale, limits in (
            ("h264", ("h264",), _H26X_SCALE, (0, 51)),
            ("hevc", ("hevc", "hevc10"), _H26X_SCALE, (0, 51)),
            ("av1", ("av1",), (200.0, 130.0, 95.0, 50.0), (1, 255)),
        )
    ),
    *(
        Encoder(
            f"{codec}_videotoolbox", codecs, "videotoolbox", knob="q:v", scale=(20, 50, 65, 90), limits=(0, 51),
            options={"allow_sw": "0"}, pixel_formats=_P8_P10,
        )
        for codec, codecs in (("h264", ("h264",)), ("hevc", ("hevc", "hevc10")))
    ),
    *(
        Encoder(
            f"{codec}_mf", codecs, "mf", knob="quality", scale=(20, 60, 80, 98), limits=(0, 51),
            options={"hw_encoding": "1"}, steady={"rate_control": "quality"}, pixel_formats=_P8_P10,
        )
        for codec, codecs in (("h264", ("h264",)), ("hevc", ("hevc",)))
    ),
)  # fmt: skip

ENCODERS: dict[str, Encoder] = {encoder.name: encoder for encoder in _TABLE}
"""In order of preference within a codec: software and hardware each from the first to the last."""

FAMILIES = tuple(dict.fromkeys(encoder.family for encoder in _TABLE if encoder.hardware))
