"""A timeline: keyframes and formulas over a whole clip, on top of a motion. It knows no files and no frames' pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from depthflow.scene.component import Component
from depthflow.scene.evaluate import Term, evaluate
from depthflow.scene.keys import Track
from depthflow.scene.motion import Motion

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Timeline:
    """What changes over a clip.

    A motion is made of the same terms: its components and tracks mean here what they mean there, but here they
    run over the clip and not over a round of the motion.

    Attributes:
        components: formulas, applied in order to what the motion gave; t = 0 .. 1 is the whole.
        tracks: keyframes, applied after them.
        loop: the whole is one pass, begins anew with each pass, and 100 % is the frame after its last, so that
            the end can meet the beginning. Else the whole is the clip with all its passes, and 100 % its last
            frame.
    """

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid", "allow_inf_nan": False}

    components: tuple[Component, ...] = ()
    tracks: tuple[Track, ...] = ()
    loop: bool = False

    def parameters(self) -> tuple[str, ...]:
        """Names of what it changes, sorted."""
        return tuple(sorted({c.parameter for c in self.components} | {t.parameter for t in self.tracks}))

    def terms(self, frames: int, loops: int, fps: float) -> tuple[Term, ...]:
        """Components and laid-out tracks for a clip.

        Args:
            frames: of one pass. loops: passes.
            fps: frames per second.

        Raises:
            ValueError: keys that are out of order in a clip of this length; names track and key.
        """
        count = frames if self.loop else frames * loops
        whole = count / fps
        end = whole if self.loop else max(count - 1, 1) / fps
        return (*self.components, *(track.laid(end, whole) for track in self.tracks))

    def times(self, frames: int, loops: int) -> Array:
        """(frames * loops,) time of every frame as a part of the whole."""
        if self.loop:
            return np.tile(np.arange(frames) / frames, loops)
        return np.arange(frames * loops) / max(frames * loops - 1, 1)

    def apply(self, values: dict[str, Array], frames: int, loops: int, fps: float, *, seed: int = 0) -> None:
        """Change `values` (see `evaluate`) in place, for all frames of the clip."""
        evaluate(self.terms(frames, loops, fps), values, self.times(frames, loops), seed=seed)


def as_timeline(motion: Motion) -> Timeline:
    """A motion as the timeline that does the same over one pass (its easing of time apart)."""
    return Timeline(motion.components, motion.tracks, motion.loop)
