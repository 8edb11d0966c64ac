"""`depthflow inspect` reads back what `depthflow render` wrote, and tells nobody where the photo lay."""

import json
import re
from pathlib import Path

import pytest
from running import depthflow, depthflow_here
from video_samples import moving, write

PHOTO = Path(__file__).parent / "photos" / "temple.jpg"


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("secret-folder")
    made = depthflow(
        "render", PHOTO, "-o", "clip.mp4", "--size", "128x96", "--duration", "0.2", "--motion", "zoom", "-q", cwd=folder
    )
    assert made.code == 0, made.err
    return folder / "clip.mp4"


def test_facts_and_job_as_json(video: Path) -> None:
    found = json.loads(depthflow("inspect", video, "--json", cwd=video.parent).out)
    assert (found["width"], found["height"], found["frames"], found["fps"]) == (128, 96, 6, 30.0)
    assert found["job"]["motion"]["name"] == "zoom"
    assert found["job"]["photo"] == "temple.jpg"


def test_no_folder_of_this_computer_is_in_the_file(video: Path) -> None:
    content = video.read_bytes()
    assert b"temple.jpg" in content
    assert str(PHOTO.parent).encode() not in content
    assert b"secret-folder" not in content


def test_the_job_makes_the_same_video_again(video: Path, tmp_path: Path) -> None:
    job = depthflow("inspect", video, "--job", cwd=tmp_path).out
    (tmp_path / "temple.jpg").write_bytes(PHOTO.read_bytes())
    (tmp_path / "job.toml").write_text(job)
    again = depthflow("make", "job.toml", "-q", cwd=tmp_path)
    assert again.code == 0, again.err
    assert depthflow("inspect", "temple.mp4", "--job", cwd=tmp_path).out == job


def test_people_get_a_table(video: Path) -> None:
    shown = depthflow("inspect", video, cwd=video.parent)
    assert shown.code == 0
    for word in ("h264", "128", "temple.jpg", "zoom"):
        assert word in shown.out


@pytest.mark.parametrize("name", ["gif", "webp", "apng"])
def test_rates_are_told_without_crumbs(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"a.{name}"
    write(path, moving(32, 24, 3), name, fps=10)
    assert json.loads(depthflow_here("inspect", path, "--json", cwd=tmp_path).out)["fps"] == 10.0
    write(path, moving(32, 24, 3), name, fps=24, overwrite=True)
    rows = dict(line.split(None, 1) for line in depthflow_here("inspect", path, cwd=tmp_path).out.splitlines())
    assert re.fullmatch(r"2\d(\.\d{1,3})?", rows["fps"].strip())
    assert re.fullmatch(r"0\.1\d{1,2}", rows["duration"].strip())


def test_what_carries_no_job_and_what_is_no_video(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes((Path(__file__).parent / "photos" / "dogs.jpg").read_bytes())
    assert depthflow("inspect", "a.png", "--job", cwd=tmp_path).code == 3
    (tmp_path / "b.mp4").write_text("no video")
    assert depthflow("inspect", "b.mp4", cwd=tmp_path).code == 3
    assert depthflow("inspect", "c.mp4", cwd=tmp_path).code == 3
