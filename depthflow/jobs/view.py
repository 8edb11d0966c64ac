"""What a job's view means for its frames and files: layout, cameras, names. It draws and writes nothing."""

from __future__ import annotations

import re
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from depthflow.errors import UsageError
from depthflow.jobs.sizes import frame_size
from depthflow.jobs.spec import JobSpec, OutputSpec, ViewSpec
from depthflow.scene import views
from depthflow.scene.anaglyph import TABLE, Mix
from depthflow.scene.views import Fan, Layout, Quilt

if TYPE_CHECKING:
    from depthflow.video.command import Stereo
    from depthflow.video.formats import FormatInfo

PORTRAIT = "portrait"
"""The display whose quilt is made if none is named."""

_PIXELS = re.compile(r"(\d+)x(\d+)")
_NAMED = re.compile(r".*_qs\d+x\d+(a[\d.]+)?", re.DOTALL)


def check_view(spec: JobSpec, output: OutputSpec) -> None:
    """Refuse several views of a scene that has no parallax.

    Raises:
        UsageError: the camera is orthographic.
    """
    if fan_of(output.view).count > 1 and spec.camera.isometric == 1:
        raise UsageError(
            f"view.mode {output.view.mode!r}: an orthographic camera sees the same from everywhere",
            "set camera.isometric below 1",
        )


def quilt_of(view: ViewSpec) -> Quilt | None:
    """The grid of a quilt; None for other views."""
    return views.quilt(view.quilt or PORTRAIT) if view.mode == "quilt" else None


def fan_of(view: ViewSpec) -> Fan:
    """The cameras of a view."""
    grid = quilt_of(view)
    if grid is not None:
        return Fan(grid.columns * grid.rows, views.FAN if view.separation is None else view.separation)
    if view.mode in views.LEFT_AND_RIGHT:
        return Fan(2, views.EYES if view.separation is None else view.separation)
    return Fan()


def mix_of(view: ViewSpec) -> Mix | None:
    """The weights of an anaglyph; None for other views."""
    return TABLE[view.anaglyph or "dubois"] if view.mode == "anaglyph" else None


def layout_of(output: OutputSpec, photo: tuple[int, int], info: FormatInfo | None = None) -> tuple[Layout, str]:
    """Where an output's views lie, and a note if the format asked for another size than people did.

    Args:
        photo: (width, height) of the photo in pixels.
        info: the format; None for frames that go into no file.
    """
    view = output.view
    size, grid = frame_size(output.size, photo, output.fit), quilt_of(view)
    wished = views.layout(view.mode, size, grid=grid, swap=view.swap)
    if info is None:
        return wished, ""
    places = views.layout(view.mode, size, grid=grid, swap=view.swap, multiple=info.even)
    if places.frame == wished.frame:
        return places, ""
    of = "" if view.mode in ("mono", "anaglyph") else "views of "
    even = "an even width" if info.even[1] == 1 else "an even width and height"
    before, after = ("x".join(map(str, side)) for side in (wished.frame, places.frame))
    return places, f"{info.name} needs {of}{even}: {before} becomes {after}"


def stereo_of(view: ViewSpec) -> Stereo | None:
    """What players are told about the frames."""
    if view.mode == "anaglyph":
        if view.swap or view.anaglyph == "amber-blue":
            return None
        return "anaglyph_green_magenta" if view.anaglyph == "green-magenta" else "anaglyph_cyan_red"
    if view.mode in ("tb", "tb-half"):
        return "bottom_top" if view.swap else "top_bottom"
    if view.mode in ("sbs", "sbs-half", "cross"):
        return "right_left" if view.swap != (view.mode == "cross") else "left_right"
    return None


# -- names -----------------------------------------------------------------------------------------------------


def tag_of(output: OutputSpec) -> str:
    """What the name of a quilt says of its grid, such as _qs8x6a0.75; empty for other views."""
    grid = quilt_of(output.view)
    if grid is None:
        return ""
    aspect = grid.aspect
    if aspect is None and (match := _PIXELS.fullmatch(output.size)) and output.fit != "fit":
        aspect = int(match[1]) / int(match[2])
    return f"_qs{grid.columns}x{grid.rows}" + ("" if aspect is None else f"a{aspect:.4g}")


def name_note(path: Path, output: OutputSpec) -> str:
    """A note if Looking Glass programs cannot read the grid from a quilt's name; empty if they can."""
    tag = tag_of(output)
    if not tag or _NAMED.fullmatch(path.stem):
        return ""
    return f"Looking Glass programs read the grid from the name: {path.stem}{tag}{path.suffix} would say it"


def size_note(output: OutputSpec) -> str:
    """A note if a size is asked for that a quilt does not have, as its display says the size; empty otherwise."""
    grid = quilt_of(output.view)
    if grid is None or grid.size is None or output.size == OutputSpec.model_fields["size"].default:
        return ""
    width, height = layout_of(output, (1, 1))[0].frame
    return (
        f"size {output.size} is not used: the display says that its quilt has {width}x{height}; "
        f"for views of another size name the grid, {grid.columns}x{grid.rows}a{grid.aspect:.4g}"
    )


def files_of(path: Path, view: ViewSpec, info: FormatInfo) -> tuple[Path, ...]:
    """The files (or folders, or patterns) of an output: clip.mp4 gives clip_left.mp4 and clip_right.mp4 to a pair."""
    if view.mode != "pair":
        return (path,)
    suffix = PurePath(path).suffix
    if suffix.lower() not in info.suffixes:
        suffix = ""
    stem = path.name.removesuffix(suffix)
    return tuple(path.with_name(f"{stem}_{side}{suffix}") for side in ("left", "right"))
