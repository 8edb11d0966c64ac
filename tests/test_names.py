"""What files may be called, and what is said of names that cannot be."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from running import COMMAND, depthflow_here, environment, listing, refused

from depthflow import paths
from depthflow.cli.show import json_line
from depthflow.errors import OutputError, PhotoError
from depthflow.images import load_photo
from depthflow.jobs.batch import collect, is_batch, read_list
from depthflow.jobs.planning import plan_outputs
from depthflow.jobs.spec import JobSpec
from depthflow.video.workfile import WorkPlace, check_free

LONG = "a" * 300
NO_TEXT = "p\udcff"
"""How Python has a byte that is no UTF-8."""

unix = pytest.mark.skipif(sys.platform != "linux", reason="names are text there")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with one photo in it."""
    Image.new("RGB", (8, 6), (200, 100, 50)).save(tmp_path / "~photo.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_tilde_is_the_home_folder_or_a_sign_of_the_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("USERPROFILE", str(folder))
    assert paths.expanded("~/a.png") == folder / "a.png"
    assert load_photo("~photo.png").size == load_photo("~/~photo.png").size == (8, 6)
    (item,) = collect(["."], ending=".mp4", folder=Path("out"))
    assert (item.photo, item.output) == ("~photo.png", Path("out/~photo.mp4"))
    spec = JobSpec.parse({"photo": "~photo.png", "outputs": [{"size": "64x48", "duration": 0.1}]})
    assert plan_outputs(spec)[0].paths == (Path("~photo.mp4"),)


@pytest.mark.parametrize("command", ["render", "depth", "layers"])
def test_an_empty_name_does_not_mean_the_current_folder(folder: Path, command: str) -> None:
    before = listing(folder)
    refused(depthflow_here(command, "", "-q", cwd=folder), 3, "the name of a photo is empty")
    assert listing(folder) == before


def test_a_name_that_is_too_long(folder: Path) -> None:
    assert not is_batch([LONG])
    (item,) = collect([LONG], ending=".mp4", folder=None)
    with pytest.raises(PhotoError, match="File name too long"):
        load_photo(item.photo)
    check_free(folder / f"{LONG}.mp4", overwrite=False)
    with pytest.raises(OutputError, match="the name is too long"):
        WorkPlace(folder / f"{LONG}.mp4")
    assert list(listing(folder)) == ["~photo.png"]


def test_an_address_does_not_get_its_query_into_a_files_name() -> None:
    photos = ["https://a.example/x/cat.jpg?key=secret", "https://b.example/cat.PNG?key=secret", "https://c.example/cat"]
    names = [item.output.name for item in collect(photos, ending=".mp4", folder=Path("out")) if item.output]
    assert names == ["cat-jpg.mp4", "cat-png.mp4", "cat-photo.mp4"]


def test_a_list_of_names_with_odd_signs_in_them() -> None:
    assert read_list("a\u2028b.jpg\r\n\n c\x0bd.jpg \n") == ["a\u2028b.jpg", " c\x0bd.jpg "]
    assert read_list("a\nb.jpg\0c.jpg\0") == ["a\nb.jpg", "c.jpg"]


@unix
def test_a_name_that_is_no_text(folder: Path) -> None:
    work = WorkPlace(folder / f"{NO_TEXT}.mp4")
    work.publish(overwrite=False)
    assert os.fsencode(folder / f"{NO_TEXT}.mp4").endswith(b"p\xff.mp4")
    assert (folder / f"{NO_TEXT}.mp4").exists()
    other, same = (JobSpec.parse({"photo": name}).digest() for name in (f"{NO_TEXT}.jpg", "p.jpg"))
    assert len(other) == 64
    assert other != same
    assert json.loads(json_line({"path": NO_TEXT}).encode()) == {"path": NO_TEXT}
    assert json_line({"path": "ü"}) == '{"path": "ü"}'


@unix
def test_a_name_that_is_no_text_is_printed_as_it_is(tmp_path: Path) -> None:
    cache = os.fsencode(tmp_path) + b"/p\xff"
    env = {**environment(), "DEPTHFLOW_CACHE_DIR": os.fsdecode(cache), "PYTHONIOENCODING": "utf-8:strict"}
    done = subprocess.run([COMMAND, "cache", "show"], env=env, capture_output=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.splitlines()[0] == cache + b"/depth"


@unix
@pytest.mark.parametrize("command", ["config show", "--version"])
def test_standard_output_on_a_full_disk(command: str) -> None:
    """Also where the little that is written waits until the end."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [COMMAND, *command.split()], env=environment(), stdout=full, stderr=subprocess.PIPE, timeout=120
        )
    assert done.returncode == 4
    said = done.stderr.decode().splitlines()
    assert said[0] == "error: No space left on device"
    assert len(said) == 2, "a hint, and nothing of Python's"
