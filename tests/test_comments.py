"""Comments in animations and stills: other programs find them, and the pictures stay as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from video_samples import everything, moving, patches, write

from depthflow.video.comments import MOST, read_comment, room_for, write_comment
from depthflow.video.probe import probe

TEXT = 'DepthFlow {"photo": "Übung <&> \'a\' – 100%.jpg"}'
KINDS = ("gif", "webp", "apng", "avif", "png", "jpg")


def clip(folder: Path, name: str, count: int = 5, **more: Any) -> Path:
    """A file of that format: an animation, or one still."""
    path = folder / f"a.{name}"
    frames = moving(64, 48, 1 if name in ("png", "jpg") else count)
    write(path, frames, name, fps=10, overwrite=True, **more)
    return path


def shown(path: Path) -> list[tuple[Any, bytes]]:
    """Every picture of a file and how long it is shown, in milliseconds."""
    found = []
    with Image.open(path) as image:
        count = getattr(image, "n_frames", 1)
        assert count == 1 or image.info.get("loop", 0) == 0
        for index in range(count):
            image.seek(index)
            found.append((image.info.get("duration"), image.convert("RGBA").tobytes()))
    return found


@pytest.mark.parametrize("count", [5, 1])
@pytest.mark.parametrize("name", KINDS)
def test_a_comment_is_found_again_and_changes_no_picture(tmp_path: Path, name: str, count: int) -> None:
    bare = clip(tmp_path, name, count)
    size, pictures = bare.stat().st_size, shown(bare)
    assert read_comment(bare) != TEXT
    path = clip(tmp_path, name, count, metadata={"comment": TEXT, "title": "left out"})
    assert read_comment(path) == probe(path).metadata["comment"] == TEXT
    assert probe(path, depth="decode").frames == len(pictures)
    assert shown(path) == pictures
    assert 0 < path.stat().st_size - size <= room_for(TEXT, path.suffix)
    assert everything(tmp_path) == [path.name]


@pytest.mark.parametrize(
    ("name", "key"), [("gif", "comment"), ("png", "Comment"), ("apng", "Comment"), ("webp", "xmp")]
)
def test_other_programs_find_it(tmp_path: Path, name: str, key: str) -> None:
    with Image.open(clip(tmp_path, name, metadata={"comment": "DepthFlow {}"})) as image:
        value = image.info[key]
    assert "DepthFlow {}" in (value.decode() if isinstance(value, bytes) else value)


def test_a_transparent_webp_stays_so(tmp_path: Path) -> None:
    frame = patches(63, 47, 4)
    frame[:20, :, 3] = 0
    path = tmp_path / "a.webp"
    write(path, [frame], "webp", pixel_format="rgba", quality=100, metadata={"comment": TEXT})
    assert read_comment(path) == TEXT
    with Image.open(path) as image:
        assert image.size == (63, 47)
        np.testing.assert_array_equal(np.asarray(image.convert("RGBA"))[..., 3], frame[..., 3])


def test_a_sequence_has_it_in_its_first_image(tmp_path: Path) -> None:
    write(tmp_path / "frames", moving(64, 48, 3), "png", metadata={"comment": TEXT})
    assert [read_comment(tmp_path / "frames" / f"frame_0000{number}.png") for number in (1, 2, 3)] == [TEXT, None, None]
    assert probe(tmp_path / "frames").metadata["comment"] == TEXT
    Image.new("RGB", (64, 48)).save(tmp_path / "frames" / "cover.png")
    assert probe(tmp_path / "frames").metadata["comment"] == TEXT
    assert len(everything(tmp_path)) == 5


@pytest.mark.parametrize("name", KINDS)
def test_long_ones_go_in_too_and_endless_ones_not(tmp_path: Path, name: str) -> None:
    path, spare = clip(tmp_path, name), tmp_path / "spare"
    pictures = shown(path)
    write_comment(path, "x" * (MOST + 1), spare)
    assert room_for("x" * (MOST + 1), path.suffix) == 0
    assert set(read_comment(path) or "") != {"x"}
    text = "".join(map(chr, np.random.default_rng(1).integers(32, 127, 2 * 65533)))
    write_comment(path, text, spare)
    assert read_comment(path) == text
    assert shown(path) == pictures
    assert everything(tmp_path) == [path.name]


@pytest.mark.parametrize("name", ["gif", "webp", "avif"])
def test_a_limit_counts_it(tmp_path: Path, name: str) -> None:
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 256, (48, 64, 3), np.uint8) for _ in range(4)]
    path, text = tmp_path / f"a.{name}", "DepthFlow " + "x" * 3000
    free = write(path, frames, name, metadata={"comment": text}).bytes
    limit = 3000 + 2 * (free - 3000) // 3
    facts = write(path, frames, name, metadata={"comment": text}, target_bytes=limit, overwrite=True)
    assert facts.bytes == path.stat().st_size <= limit
    assert read_comment(path) == text


@pytest.mark.parametrize("name", KINDS)
def test_what_is_broken_has_none(tmp_path: Path, name: str) -> None:
    path = clip(tmp_path, name, metadata={"comment": TEXT})
    whole = path.read_bytes()
    rng = np.random.default_rng(2)
    for end in (0, 1, 3, 11, 12, 20, 33, *rng.integers(0, len(whole), 20)):
        path.write_bytes(whole[:end])
        assert read_comment(path) in (TEXT, None) or name in ("jpg", "png", "gif")
    for _ in range(100):
        data = bytearray(whole)
        for at in rng.integers(0, min(len(data), 400), 4):
            data[at] = rng.integers(0, 256)
        path.write_bytes(data)
        read_comment(path)
    path.write_text("no picture")
    assert read_comment(path) is None
    with pytest.raises(ValueError, match="neither GIF"):
        write_comment(path, TEXT, tmp_path / "spare")
    assert read_comment(tmp_path / "not there") is None
