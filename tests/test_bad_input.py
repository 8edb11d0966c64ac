"""All that can be wrong with what people give, and with their machine: one line, a way out, nothing half-made."""

from __future__ import annotations

import os
import shutil
import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from running import SHORT, depthflow, listing, pixels, refused

from depthflow.render.backends import missing_hint

pytestmark = pytest.mark.gl


def picture(width: int, height: int) -> Image.Image:
    """Red grows to the right, green downwards."""
    x, y = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return Image.fromarray(np.stack((x, y, np.full_like(x, 90)), -1).astype(np.uint8))


def bomb(file: Path) -> None:
    """A PNG of a few hundred bytes that announces 25,000 x 25,000 pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 25_000, 25_000, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(75_001))) + chunk(b"IEND", b"")
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + body)


def torn(file: Path) -> None:
    picture(128, 96).save(file, "JPEG")
    file.write_bytes(file.read_bytes()[:-200])


BAD_PHOTOS: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "not an image": ("story.jpg", lambda file: file.write_text("Once upon a time"), "is not a photo"),
    "truncated": ("torn.jpg", torn, "cut short"),
    "zero bytes": ("empty.png", lambda file: file.touch(), "is empty (0 bytes)"),
    "30,001 wide": ("wide.png", lambda file: picture(30_001, 2).save(file), "the limit is 30000 pixels a side"),
    "bomb": ("bomb.png", bomb, "625 megapixels, and the limit is 200"),
    "missing": ("nothing.png", lambda file: None, "is not there"),
}


@pytest.mark.parametrize("kind", BAD_PHOTOS)
def test_a_photo_that_is_none(tmp_path: Path, kind: str) -> None:
    name, make, reason = BAD_PHOTOS[kind]
    make(tmp_path / name)
    before = listing(tmp_path)
    refused(depthflow("render", name, "-o", "new/video.mp4", *SHORT, cwd=tmp_path), 3, name, reason)
    assert listing(tmp_path) == before


def test_in_a_batch_the_good_ones_are_made(photo: Path, depth_map: Path) -> None:
    folder = photo.parent
    shutil.copy(depth_map, folder / "photo.depth.png")
    for name, make, _ in BAD_PHOTOS.values():
        make(folder / name)
    done = depthflow("render", folder, "nothing.png", "-o", "out", *SHORT, cwd=folder)
    assert done.code == 5
    assert list(listing(folder / "out")) == ["photo.mp4"]
    assert len(pixels(folder / "out" / "photo.mp4")) == 4
    errors = [line for line in done.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == len(BAD_PHOTOS) + 1
    for name, _, reason in BAD_PHOTOS.values():
        assert any(name in line and reason in line for line in errors), name
    assert errors[-1] == "error: 6 of 7 photos failed, the others are done"


# -- odd, but good --------------------------------------------------------------------------------------------


def test_a_photo_of_one_pixel(tmp_path: Path) -> None:
    Image.new("RGB", (1, 1), (200, 40, 90)).save(tmp_path / "dot.png")
    done = depthflow("render", "dot.png", *SHORT, cwd=tmp_path)
    assert done.code == 0, done.err
    frames = pixels(tmp_path / "dot.mp4")
    assert frames.shape == (4, 48, 64, 3)
    assert np.abs(frames.astype(int) - (200, 40, 90)).max() <= 4


def test_a_photo_30000_pixels_wide(tmp_path: Path) -> None:
    picture(30_000, 24).save(tmp_path / "wide.png")
    done = depthflow("render", "wide.png", *SHORT, "--fit", "fill", "--motion", "still", cwd=tmp_path)
    assert done.code == 0, done.err
    frames = pixels(tmp_path / "wide.mp4")
    assert len(frames) == 4
    red = frames[0, :, :, 0].mean(axis=0)
    assert red[0] < 20
    assert red[-1] > 235
    assert np.abs(red - np.linspace(0, 255, 64)).max() < 14, "all of its width is there"


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG"])
def test_of_an_animation_the_first_frame_is_taken_and_that_is_said(tmp_path: Path, format: str) -> None:  # noqa: A002
    colours = [Image.new("RGB", (64, 48), colour) for colour in ((220, 30, 30), (30, 220, 30), (30, 30, 220))]
    file = tmp_path / f"dance.{format.lower()}"
    more = {"lossless": True} if format == "WEBP" else {}
    colours[0].save(file, format, save_all=True, append_images=colours[1:], duration=100, **more)
    done = depthflow("render", file.name, *SHORT, "--json", cwd=tmp_path)
    assert done.code == 0, done.err
    assert done.event("warning")["message"] == "first frame of 3"
    frames = pixels(tmp_path / "dance.mp4")
    assert np.abs(frames.astype(int) - (220, 30, 30)).max() <= 4


def test_odd_sizes_are_rounded_to_even_and_that_is_said(photo: Path, depth_map: Path) -> None:
    done = depthflow("render", photo, "--depth", depth_map, *SHORT, "--size", "67x51", cwd=photo.parent)
    assert done.code == 0
    assert "  note: mp4 needs an even width and height: 67x51 becomes 66x50" in done.err.splitlines()
    assert pixels(photo.with_suffix(".mp4")).shape == (4, 50, 66, 3)
    # GIF takes odd sizes as they are.
    done = depthflow(
        "render", photo, "--depth", depth_map, *SHORT, "--size", "67x51", "--format", "gif", cwd=photo.parent
    )
    assert "note:" not in done.err
    with Image.open(photo.with_suffix(".gif")) as image:
        assert image.size == (67, 51)


# -- depth maps -----------------------------------------------------------------------------------------------


def test_depth_of_another_shape(photo: Path) -> None:
    Image.new("L", (96, 96)).save(photo.parent / "square.png")
    before = listing(photo.parent)
    done = depthflow("render", photo, "--depth", "square.png", *SHORT, cwd=photo.parent)
    refused(done, 3, "square.png: the depth map is 96x96, not the shape of the photo, 128x96")
    assert listing(photo.parent) == before


def test_depth_that_is_no_number(photo: Path) -> None:
    values = np.full((96, 128), np.nan, np.float32)
    np.save(photo.parent / "nan.npy", values)
    before = listing(photo.parent)
    done = depthflow("render", photo, "--depth", "nan.npy", *SHORT, cwd=photo.parent)
    refused(done, 3, "nan.npy: 100% of the depth map is NaN or infinite")
    assert listing(photo.parent) == before


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "no such depth file"), (b"", "empty"), (b"\x89PNG\r\n\x1a\n and no more", "")],
    ids=["missing", "zero bytes", "torn"],
)
def test_depth_that_is_no_picture(photo: Path, content: bytes | None, reason: str) -> None:
    if content is not None:
        (photo.parent / "map.png").write_bytes(content)
    before = listing(photo.parent)
    done = depthflow("render", photo, "--depth", "map.png", *SHORT, cwd=photo.parent)
    refused(done, 3, "map.png", reason)
    assert listing(photo.parent) == before


def test_one_file_for_several_photos(photo: Path) -> None:
    before = listing(photo.parent)
    refused(
        depthflow("render", photo, photo, "-o", "all.mp4", cwd=photo.parent), 2, "all.mp4: several photos", "-o all/"
    )
    assert listing(photo.parent) == before


def test_one_depth_map_for_several_photos(photo: Path, depth_map: Path) -> None:
    done = depthflow("render", photo, photo, "--depth", depth_map, *SHORT, cwd=photo.parent)
    refused(done, 2, "--depth is for one photo", "photo.depth.png")


def test_a_network_that_is_none(photo: Path) -> None:
    (photo.parent / "net.onnx").write_bytes(b"no network at all")
    before = listing(photo.parent)
    done = depthflow("render", photo, "--model", "net.onnx", *SHORT, cwd=photo.parent)
    refused(done, 3, "net.onnx")
    assert listing(photo.parent) == before
    refused(depthflow("render", photo, "--model", "bultin", *SHORT, cwd=photo.parent), 2, "did you mean 'builtin'?")


# -- requests -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (("--motion", "obital"), ("unknown motion 'obital'", "did you mean 'orbital'?", "circle, dolly")),
        (("--preset", "vertgo"), ("unknown preset 'vertgo'", "did you mean 'vertigo'?")),
        (("--motion", "gone.toml"), ("gone.toml: there is no such motion file", "depthflow motions list")),
        (("--size", "12wide"), ("size '12wide' is not understood", "1920x1080")),
        (("--fps", "0"), ("fps", "greater than 0")),
        (("--duration", "nan"), ("duration", "finite")),
        (("--format", "mpeg4"), ("format", "mp4")),
        (("-o", "video.txt"), ("video.txt: no format: the suffix '.txt' is not known", ".webm")),
        (("-o", "video.webm", "--format", "mp4"), ("video.webm: a .webm file cannot hold mp4",)),
        (("--encoder", "libx265"), ("libx265",)),
        (("--encoder-preset", "veryfats"), ("did you mean 'veryfast'?",)),
        (("--format", "gif", "--crf", "20"), ("gif has no constant rate factor", "quality")),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) and value[0].startswith("-") else "",
)
def test_a_wrong_request(photo: Path, options: tuple[str, ...], parts: tuple[str, ...]) -> None:
    refused(depthflow("render", photo, *options, cwd=photo.parent), 2, *parts)
    assert list(listing(photo.parent)) == ["photo.png"]


def test_a_curve_that_does_not_exist(photo: Path) -> None:
    done = depthflow("render", photo, "--easing", "ease-inout", cwd=photo.parent)
    assert done.code == 2
    assert done.err.startswith("error: options: motion.easing: unknown easing 'ease-inout'")
    assert "did you mean 'ease-in-out'?" in done.err


def test_options_that_do_not_exist(photo: Path) -> None:
    done = depthflow("render", photo, "--moton", "orbital", cwd=photo.parent)
    assert done.code == 2
    assert "No such option: --moton" in done.err
    assert depthflow("render", cwd=photo.parent).code == 2
    assert depthflow("rendr", photo, cwd=photo.parent).code == 2
    assert list(listing(photo.parent)) == ["photo.png"]


def test_in_a_batch_a_wrong_request_is_said_once(photo: Path) -> None:
    shutil.copy(photo, photo.with_name("other.png"))
    done = depthflow("render", photo.parent, "--motion", "obital", *SHORT, cwd=photo.parent)
    refused(done, 2, "unknown motion 'obital'")


def test_the_photo_itself_as_output(photo: Path) -> None:
    before = listing(photo.parent)
    done = depthflow("render", photo.name, "-o", photo, "--format", "apng", "--overwrite", *SHORT, cwd=photo.parent)
    refused(done, 2, "photo.png: is the photo itself", "-o")
    assert listing(photo.parent) == before


# -- places ---------------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform != "linux", reason="needs a file system that refuses even root")
def test_a_folder_that_cannot_be_written(photo: Path, depth_map: Path) -> None:
    done = depthflow("render", photo, "-o", "/proc/self/x.mp4", "--depth", depth_map, *SHORT, cwd=photo.parent)
    refused(done, 4, "/proc/self/x.mp4: ", "choose another")
    assert list(listing(photo.parent)) == ["photo.png"]


def test_a_file_in_the_place_of_a_folder(photo: Path, depth_map: Path) -> None:
    before = listing(photo.parent)
    done = depthflow("render", photo, "-o", "photo.png/x.mp4", "--depth", depth_map, *SHORT, cwd=photo.parent)
    refused(done, 4, "photo.png/x.mp4: part of the path is a file, not a folder", "choose another")
    assert listing(photo.parent) == before


def test_a_folder_in_the_place_of_a_file(photo: Path, depth_map: Path) -> None:
    photo.with_suffix(".mp4").mkdir()
    done = depthflow("render", photo, "--overwrite", "--depth", depth_map, *SHORT, cwd=photo.parent)
    refused(done, 4, "photo.mp4: is a folder")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission(photo: Path, depth_map: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    closed = tmp_path_factory.mktemp("closed")
    closed.chmod(0o500)
    try:
        done = depthflow("render", photo, "-o", closed / "x.mp4", "--depth", depth_map, *SHORT, cwd=photo.parent)
    finally:
        closed.chmod(0o700)
    refused(done, 4, "x.mp4: no permission to write here")


def test_a_full_disk(tmp_path: Path, tiny_disk: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (240, 320, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    Image.new("L", (320, 240), 128).save(tmp_path / "noise.depth.png")
    options = ("--size", "320x240", "--fps", "30", "--duration", "4", "--quality", "100")
    done = depthflow("render", "noise.png", "-o", tiny_disk / "clip.mp4", *options, cwd=tmp_path)
    refused(done, 4, f"{tiny_disk / 'clip.mp4'}: the disk is full", "free some space")
    assert listing(tiny_disk) == {}


# -- the machine ----------------------------------------------------------------------------------------------


def without(folder: Path, *modules: str) -> str:
    """A PYTHONPATH with which these modules are not installed."""
    folder.mkdir(parents=True)
    (folder / "sitecustomize.py").write_text(
        "import sys\n"
        "class Missing:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.partition('.')[0] in {modules!r}:\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Missing())\n"
    )
    return os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))


@pytest.mark.skipif(sys.platform != "linux", reason="EGL is Linux's way")
def test_no_opengl(photo: Path, depth_map: Path) -> None:
    arguments = ("render", photo, "--depth", depth_map, "--gl-backend", "egl", *SHORT)
    done = depthflow(*arguments, cwd=photo.parent, __EGL_VENDOR_LIBRARY_FILENAMES="/nonexistent")
    refused(done, 4, "no OpenGL context (egl: ", missing_hint())
    assert list(listing(photo.parent)) == ["photo.png"]


@pytest.mark.parametrize("way", ["DEPTHFLOW_FFMPEG", "IMAGEIO_FFMPEG_EXE", "none"])
def test_no_ffmpeg(photo: Path, tmp_path_factory: pytest.TempPathFactory, way: str) -> None:
    env = {"DEPTHFLOW_FFMPEG": "", "IMAGEIO_FFMPEG_EXE": ""}
    reason, hint = "ffmpeg is not installed", "pip install imageio-ffmpeg"
    if way == "none":
        nowhere = tmp_path_factory.mktemp("nowhere")
        env |= {"PATH": str(nowhere), "PYTHONPATH": without(nowhere / "python", "imageio_ffmpeg")}
    else:
        env |= {way: "/nonexistent/ffmpeg"}
        reason, hint = f"{way} is '/nonexistent/ffmpeg', which is no program that can be run", f"unset {way}, "
    done = depthflow("render", photo, *SHORT, cwd=photo.parent, **env)
    refused(done, 4, reason, hint)
    assert list(listing(photo.parent)) == ["photo.png"]


def test_no_onnx_runtime(photo: Path, depth_map: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    env = {"PYTHONPATH": without(tmp_path_factory.mktemp("nowhere") / "python", "onnxruntime")}
    # No depth map of this photo may be in the cache.
    env["DEPTHFLOW_CACHE_DIR"] = str(tmp_path_factory.mktemp("cache"))
    done = depthflow("render", photo, *SHORT, cwd=photo.parent, **env)
    refused(done, 4, "ONNX Runtime is not installed", "pip install 'depthflow-studio[cpu]'")
    assert list(listing(photo.parent)) == ["photo.png"]
    done = depthflow("render", photo, "--depth", depth_map, *SHORT, cwd=photo.parent, **env)
    assert done.code == 0, "with a depth map it is not needed"


def test_a_batch_on_a_machine_that_cannot(photo: Path) -> None:
    shutil.copy(photo, photo.with_name("other.png"))
    done = depthflow("render", photo.parent, *SHORT, cwd=photo.parent, DEPTHFLOW_FFMPEG="/nonexistent/ffmpeg")
    assert done.code == 4
    assert sorted(listing(photo.parent)) == ["other.png", "photo.png"]


def test_settings_with_a_slip(photo: Path) -> None:
    done = depthflow("render", photo, *SHORT, cwd=photo.parent, DEPTHFLOW_OUTPUT_QUALITY="best")
    refused(done, 2, "DEPTHFLOW_OUTPUT_QUALITY", "quality")
