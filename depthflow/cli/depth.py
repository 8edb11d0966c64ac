"""`depthflow depth`: a photo in, its depth map out. It chooses names and formats; depthflow.depth does the work."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from depthflow.cli import depth_options
from depthflow.cli.panels import OUTPUT, TALK, option

# name on the command line -> (suffix, bits it stands for)
FORMATS: dict[str, tuple[str, int | None]] = {
    "png": (".png", None),
    "png8": (".png", 8),
    "png16": (".png", 16),
    "exr": (".exr", None),
    "npy": (".npy", None),
    "tiff": (".tiff", None),
}


def depth(
    photo: Annotated[str, typer.Argument(metavar="PHOTO", help="Photo, http(s) address, or - for standard input.")],
    output: Annotated[
        Path | None,
        option(
            OUTPUT,
            "-o",
            "--output",
            help="File or folder. Else NAME.depth.png beside the photo, where render finds it by itself.",
            metavar="PATH",
        ),
    ] = None,
    format: Annotated[  # noqa: A002
        str | None,
        option(OUTPUT, "--format", help="png, png8, png16, exr, npy or tiff; else by the suffix.", metavar="NAME"),
    ] = None,
    bits: Annotated[
        int | None,
        option(OUTPUT, "--bits", help="8 or 16; 32 for tiff and exr. PNG has 16 by default.", metavar="BITS"),
    ] = None,
    colormap: Annotated[
        str | None,
        option(OUTPUT, "--colormap", help="In colour, to look at: inferno, turbo, viridis, ...", metavar="NAME"),
    ] = None,
    size: Annotated[
        str,
        option(OUTPUT, "--size", help="photo, WIDTHxHEIGHT, or pixels of the longer side.", metavar="SIZE"),
    ] = "photo",
    raw: Annotated[bool, option(OUTPUT, "--raw", help="As the network gives it: its own size, soft edges.")] = False,
    invert: Annotated[bool, option(OUTPUT, "--invert", help="Write near as black instead of white.")] = False,
    overwrite: Annotated[
        bool | None, option(OUTPUT, "--overwrite/--no-overwrite", help="Replace a file that is there.")
    ] = None,
    model: depth_options.Model = None,
    fallback: depth_options.Fallback = None,
    embedded_depth: depth_options.Embedded = None,
    network_size: depth_options.NetworkSize = None,
    tiles: depth_options.Tiles = None,
    flip: depth_options.Flip = None,
    depth_far: depth_options.Far = None,
    depth_near: depth_options.Near = None,
    depth_gamma: depth_options.Gamma = None,
    depth_percentile: depth_options.Percentile = None,
    provider: depth_options.Provider = None,
    as_json: Annotated[bool, option(TALK, "--json", help="One JSON object on standard output.")] = False,
    quiet: Annotated[bool, option(TALK, "-q", "--quiet", help="Errors only.")] = False,
) -> None:
    """Estimate a photo's depth and save it as a picture: white is near, grey values are linear in 1/distance."""
    from depthflow.errors import DepthFlowError

    talk = _Talk(photo, as_json=as_json, quiet=quiet)
    try:
        variant = _variant(raw=raw, invert=invert, colormap=colormap)
        target, bits = _target(photo, output, format, bits, variant)
        _check(target, bits, colormap, size)
        spec = {
            "model": model,
            "embedded": embedded_depth,
            "fallback": fallback,
            "provider": provider,
            "network_size": network_size,
            "tiles": tiles,
            "flip": flip,
            "far": depth_far,
            "near": depth_near,
            "gamma": depth_gamma,
            "percentile": depth_percentile,
        }
        _run(
            photo,
            target,
            spec,
            bits=bits,
            colormap=colormap,
            size=None if raw else size,
            invert=invert,
            overwrite=overwrite,
            talk=talk,
        )
    except DepthFlowError as error:
        if not as_json:
            raise
        talk.failed(error)
        sys.exit(error.exit_code)


class _Talk:
    """What the user hears: lines on stderr, or JSON on standard output in the words of `render --json`."""

    def __init__(self, photo: str, *, as_json: bool, quiet: bool) -> None:
        self._photo, self._json, self._quiet = photo, as_json, quiet

    def note(self, text: str) -> None:
        if self._json:
            self._print("warning", stage="depth", message=text)
        elif not self._quiet:
            print(f"note: {text}", file=sys.stderr)

    def done(self, line: str, **facts: Any) -> None:
        if self._json:
            self._print("done", **facts)
        elif not self._quiet:
            print(line, file=sys.stderr)

    def failed(self, error: Any) -> None:
        kind = type(error).__name__.rstrip("_")
        self._print("error", kind=kind, message=error.message, hint=error.hint, exit_code=error.exit_code)

    def _print(self, event: str, **facts: Any) -> None:
        from depthflow.cli.show import json_line

        print(json_line({"event": event, "photo": self._photo, **facts}), flush=True)


def _variant(*, raw: bool, invert: bool, colormap: str | None) -> str:
    """What comes after `depth` in the default name: such a map is no sidecar that render could use."""
    parts = [name for name, on in (("raw", raw), ("inverted", invert), (colormap or "", colormap)) if on]
    return "".join(f"-{part}" for part in parts)


def _target(
    photo: str, output: Path | None, name: str | None, bits: int | None, variant: str
) -> tuple[Path, int | None]:
    """The file to write, and its bits where the format says.

    Raises:
        UsageError: unknown format, or one that contradicts the suffix or the bits.
    """
    from depthflow.errors import UnknownNameError, UsageError
    from depthflow.images import name_of
    from depthflow.paths import expanded, is_folder

    suffix = ""
    if name is not None:
        if name.lower() not in FORMATS:
            raise UnknownNameError("depth format", name, FORMATS)
        suffix, implied = FORMATS[name.lower()]
        if implied is not None and bits not in (None, implied):
            raise UsageError(f"--format {name} has {implied} bits, not {bits}", "leave one of them out")
        bits = implied or bits
    if output is None or is_folder(output) or str(output).endswith(("/", "\\")):
        folder = output
        if folder is None:
            local = photo != "-" and "://" not in photo
            folder = expanded(photo).parent if local else Path()
        return folder / f"{name_of(photo)}.depth{variant}{suffix or '.png'}", bits
    known = {".tif": ".tiff"}.get(output.suffix.lower(), output.suffix.lower())
    if suffix and known and known != suffix:
        if known in {ending for ending, _ in FORMATS.values()}:
            raise UsageError(f"{output}: --format {name} contradicts {output.suffix}", "leave out --format")
        return output.with_name(output.name + suffix), bits
    return (output if known else output.with_name(output.name + (suffix or ".png"))), bits


def _check(target: Path, bits: int | None, colormap: str | None, size: str) -> None:
    """Find out what is wrong with the request before the network runs."""
    from depthflow.depth.files import check_format
    from depthflow.errors import UsageError

    check_format(target, bits, colormap)
    if size != "photo" and not re.fullmatch(r"[1-9]\d{0,4}(x[1-9]\d{0,4})?", size):
        raise UsageError(f"size {size!r} is not known", "give photo, WIDTHxHEIGHT such as 1536x1024, or 1536")


def _pixels(size: str, photo: tuple[int, int]) -> tuple[int, int]:
    """(width, height) of the result."""
    if size == "photo":
        return photo
    if "x" in size:
        width, height = size.split("x")
        return int(width), int(height)
    scale = int(size) / max(photo)
    return max(1, round(photo[0] * scale)), max(1, round(photo[1] * scale))


def _run(
    source: str,
    target: Path,
    options: dict[str, Any],
    *,
    bits: int | None,
    colormap: str | None,
    size: str | None,
    invert: bool,
    overwrite: bool | None,
    talk: _Talk,
) -> None:
    import time

    from depthflow.depth.files import save_depth
    from depthflow.depth.tensors import toned
    from depthflow.errors import OutputError, UsageError
    from depthflow.images import Limits, load_photo
    from depthflow.jobs.depth import find_depth, fitted
    from depthflow.jobs.spec import JobSpec
    from depthflow.settings import job_base, load_settings

    settings = load_settings().settings
    job = {"photo": source, **job_base(settings)}
    job["depth"] |= {key: value for key, value in options.items() if value is not None}
    spec = JobSpec.parse(job, source="options").depth
    overwrite = settings.output.overwrite if overwrite is None else overwrite
    if source != "-" and "://" not in source and _same(source, target):
        raise UsageError(f"{target}: that is the photo itself", "give another name with -o")
    if target.exists() and not overwrite:
        raise OutputError(f"{target}: already there", "add --overwrite, or choose another name with -o")
    if not target.parent.is_dir():
        raise OutputError(f"{target.parent}: no such folder", "make it first, or choose another place with -o")
    limits = Limits(max_bytes=settings.limits.max_photo_bytes, max_pixels=settings.limits.max_photo_pixels)
    photo = load_photo(source, limits=limits).over()
    pixels = _pixels(size, photo.size) if size is not None else (0, 0)
    if pixels[0] * pixels[1] > settings.limits.max_photo_pixels:
        raise UsageError(
            f"{pixels[0]}x{pixels[1]} is more than {settings.limits.max_photo_pixels} pixels",
            "give a smaller --size, or raise limits.max_photo_pixels",
        )
    start = time.perf_counter()
    cache_bytes = round(settings.cache.depth_megabytes * 1e6)
    # What lies beside the photo may be what this command wrote the last time.
    found = find_depth(photo, spec, warn=talk.note, cache_bytes=cache_bytes, beside=False)
    if size is not None:
        values = fitted(found, photo, spec, pixels)
    else:
        values = toned(found.depth, far=spec.far, near=spec.near, gamma=spec.gamma)
    save_depth(1 - values if invert else values, target, bits=bits, colormap=colormap, overwrite=overwrite)
    seconds = time.perf_counter() - start
    height, width = values.shape
    where = {"network": f" on {found.provider}", "cache": ", from the cache"}.get(found.origin, "")
    talk.done(
        f"{target}: {width}x{height}, {found.name}{where}, {seconds:.2f} s",
        path=str(target),
        width=width,
        height=height,
        bits=8 if colormap else bits or (16 if target.suffix.lower() in (".png", ".tif", ".tiff") else 32),
        model=None if found.given else found.name,
        origin=found.origin,
        provider=found.provider,
        cached=found.origin == "cache",
        seconds=round(seconds, 3),
        notes=list(photo.notes),
    )


def _same(photo: str, target: Path) -> bool:
    from depthflow.paths import expanded

    try:
        return expanded(photo).samefile(target)
    except OSError:
        return False
