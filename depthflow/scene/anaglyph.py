"""How two views become one picture for coloured glasses: the published methods as a table. It touches no pixel.

Each channel of the anaglyph is a weighted sum of the channels of both views. The filters of the glasses mix light, so
the least-squares methods are meant for linear light; the older ones were published for the pixels' own values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Method = Literal["dubois", "green-magenta", "amber-blue", "half-colour", "optimised", "colour", "grey"]
METHODS: tuple[Method, ...] = get_args(Method)

Row = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Mix:
    """A method.

    Attributes:
        left, right: three rows of weights, for red, green and blue of the anaglyph, of each view's channels.
        linear: the weights are for linear light, not for sRGB values.
        gamma: brightens the red channel at the end: red ** (1 / gamma).
    """

    left: tuple[Row, Row, Row]
    right: tuple[Row, Row, Row]
    linear: bool = False
    gamma: float = 1.0


_LUMA = (0.299, 0.587, 0.114)
_NONE = (0.0, 0.0, 0.0)
_GREEN, _BLUE = (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)

TABLE: dict[Method, Mix] = {
    # E. Dubois, "A projection method to generate anaglyph stereo images", ICASSP 2001, with the weights for LCDs of
    # his "Conversion of a stereo pair to anaglyph with the least-squares projection method", 2009; the weights for
    # the other glasses are from his page, www.site.uottawa.ca/~edubois/anaglyph.
    "dubois": Mix(
        ((0.437, 0.449, 0.164), (-0.062, -0.062, -0.024), (-0.048, -0.050, -0.017)),
        ((-0.011, -0.032, -0.007), (0.377, 0.761, 0.009), (-0.026, -0.093, 1.234)),
        linear=True,
    ),
    "green-magenta": Mix(
        ((-0.062, -0.158, -0.039), (0.284, 0.668, 0.143), (-0.015, -0.027, 0.021)),
        ((0.529, 0.705, 0.024), (-0.016, -0.015, -0.065), (0.009, 0.075, 0.937)),
        linear=True,
    ),
    "amber-blue": Mix(
        ((1.062, -0.205, 0.299), (-0.026, 0.908, 0.068), (-0.038, -0.173, 0.022)),
        ((-0.016, -0.123, -0.017), (0.006, 0.062, -0.017), (0.094, 0.185, 0.911)),
        linear=True,
    ),
    # P. Wimmer, "Anaglyph methods comparison", www.3dtv.at/Knowhow/AnaglyphComparison_en.aspx; compared in
    # D. McAllister, Y. Zhou, S. Sullivan, "Methods for computing color anaglyphs", SPIE 2010.
    "half-colour": Mix((_LUMA, _NONE, _NONE), (_NONE, _GREEN, _BLUE)),
    "optimised": Mix(((0.0, 0.7, 0.3), _NONE, _NONE), (_NONE, _GREEN, _BLUE), gamma=1.5),
    "colour": Mix(((1.0, 0.0, 0.0), _NONE, _NONE), (_NONE, _GREEN, _BLUE)),
    "grey": Mix((_LUMA, _NONE, _NONE), (_NONE, _LUMA, _LUMA)),
}
