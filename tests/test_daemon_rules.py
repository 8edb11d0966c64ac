"""What becomes of a photo in a watched folder: rule files, preset folders, sidecars, names and places."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from depthflow_daemon import rules
from depthflow_daemon.rules import FolderRules, Plan, WatchFolder, companions, photos_of
from depthflow_daemon.template import check_template, fill

from depthflow.errors import UsageError


class Place:
    """A watched folder with a photo, and what is in the way of its results."""

    def __init__(self, tmp_path: Path, photo: Path) -> None:
        self.root, self.out = tmp_path / "in", tmp_path / "out"
        self.root.mkdir()
        self.original = photo
        self.owners: dict[Path, Path] = {}
        self.rules = FolderRules(WatchFolder(self.root, self.out, tmp_path / "archive"), self.taken)

    def taken(self, path: Path, photo: Path) -> bool:
        return self.owners.get(path, photo) != photo

    def photo(self, name: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return Path(shutil.copy(self.original, path))

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def plan(self, name: str) -> Plan:
        (plan,) = self.rules.plans(self.root / name)
        return plan

    def outputs(self, name: str) -> list[str]:
        paths = [output.path for plan in self.rules.plans(self.root / name) for output in plan.spec.outputs]
        return [Path(path or "").relative_to(self.out).as_posix() for path in paths]

    def error(self, name: str) -> UsageError:
        with pytest.raises(UsageError) as caught:
            self.rules.plans(self.root / name)
        return caught.value


@pytest.fixture
def place(tmp_path: Path, photo: Path) -> Iterator[Place]:
    return Place(tmp_path, photo)


def test_without_rules_a_photo_becomes_an_mp4_in_the_mirrored_folder(place: Place) -> None:
    photo = place.photo("2027/may/cat.png")
    plan = place.plan("2027/may/cat.png")
    assert plan.spec.photo == str(photo)
    assert place.outputs("2027/may/cat.png") == ["2027/may/cat.mp4"]
    assert plan.spec.outputs[0].overwrite, "only this photo's own results have this name"
    assert (plan.rules.after, plan.rules.priority, plan.files) == ("keep", 0, ())


def test_rule_files_of_photos_that_are_gone_are_forgotten(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "_KEPT_FILES", 3)
    place.write(".depthflow.toml", "priority = 3\n")
    for number in range(9):
        photo = place.photo(f"{number}.png")
        sidecar = place.write(f"{number}.toml", "priority = 5\n" if number % 2 else "")
        assert place.plan(photo.name).rules.priority == (5 if number % 2 else 3)
        photo.unlink()
        sidecar.unlink()
    assert len(place.rules._cache) <= 3


def test_rules_are_inherited_and_the_nearest_wins(place: Place) -> None:
    place.write(".depthflow.toml", 'priority = 3\n[motion]\nname = "circle"\nstrength = 0.5\n[output]\nfps = 24\n')
    place.write("a/.depthflow.toml", "[motion]\nstrength = 2\n")
    place.write("a/b/.depthflow.toml", 'after = "archive"\n[output]\nduration = 1\n')
    for name in ("x.png", "a/x.png", "a/b/x.png"):
        place.photo(name)
    plans = [place.plan(name) for name in ("x.png", "a/x.png", "a/b/x.png")]
    assert [plan.spec.motion.name for plan in plans] == ["circle"] * 3
    assert [plan.spec.motion.strength for plan in plans] == [0.5, 2, 2]
    assert [plan.spec.outputs[0].fps for plan in plans] == [24] * 3
    assert [plan.spec.outputs[0].duration for plan in plans] == [5, 5, 1]
    assert [plan.rules.after for plan in plans] == ["keep", "keep", "archive"]
    assert [plan.rules.priority for plan in plans] == [3] * 3


def test_a_folder_named_like_a_preset_uses_it_and_its_rules_change_it(place: Place) -> None:
    place.photo("vertigo/x.png")
    place.photo("vertigo/deeper/y.png")
    spec = place.plan("vertigo/x.png").spec
    assert spec.preset == "vertigo"
    assert spec.motion.name == "dolly"
    assert place.plan("vertigo/deeper/y.png").spec.preset == "vertigo"
    assert place.outputs("vertigo/x.png") == ["vertigo/x.mp4"]
    place.write("vertigo/.depthflow.toml", "[motion]\nstrength = 0.25\n")
    assert place.plan("vertigo/x.png").spec.motion.strength == 0.25
    place.write(".depthflow.toml", "preset_folders = false")
    assert place.plan("vertigo/x.png").spec.preset is None


def test_a_preset_by_name_and_the_photos_own_rules_on_top(place: Place) -> None:
    place.photo("x.png")
    place.photo("y.png")
    place.write(".depthflow.toml", 'preset = "vertigo"\nname = "{preset}-{stem}"')
    place.write("x.toml", 'preset = "orbital"\nseed = 7\npriority = 9\n[camera]\nzoom = 1.5\n')
    own, other = place.plan("x.png"), place.plan("y.png")
    assert (own.spec.preset, own.spec.seed, own.spec.camera.zoom, own.rules.priority) == ("orbital", 7, 1.5, 9)
    assert (other.spec.preset, other.spec.seed, other.rules.priority) == ("vertigo", 0, 0)
    assert place.outputs("x.png") == ["orbital-x.mp4"]
    place.write("x.png.toml", "seed = 8")
    assert place.plan("x.png").spec.seed == 8, "the fuller name is meant more"


def test_several_outputs_of_one_photo(place: Place) -> None:
    place.photo("x.png")
    place.write(
        ".depthflow.toml",
        '[output]\nfps = 10\n[[outputs]]\n[[outputs]]\nformat = "gif"\nsize = "320x240"\n'
        '[[outputs]]\nformat = "webm"\n',
    )
    spec = place.plan("x.png").spec
    assert place.outputs("x.png") == ["x.mp4", "x.gif", "x.webm"]
    assert [output.fps for output in spec.outputs] == [10, 10, 10]
    assert [output.size for output in spec.outputs] == ["1080p", "320x240", "1080p"]


def test_two_outputs_of_one_name_are_refused_with_the_way_out(place: Place) -> None:
    place.photo("x.png")
    two = '[[outputs]]\nsize = "720p"\n[[outputs]]\nsize = "1080p"\n'
    rules = place.write(".depthflow.toml", two)
    error = place.error("x.png")
    assert str(error).startswith(f"{rules}: outputs: two have the name x.mp4")
    assert "{size}" in error.hint
    place.write(".depthflow.toml", f'name = "{{stem}}/{{size}}-{{n}}"\n{two}')
    assert place.outputs("x.png") == ["x/720p-1.mp4", "x/1080p-2.mp4"]


def test_results_of_other_photos_are_never_in_the_way(place: Place) -> None:
    place.photo("cat.png")
    place.owners[place.out / "cat.mp4"] = place.root / "cat.jpg"
    assert place.outputs("cat.png") == ["cat-png.mp4"]
    place.owners[place.out / "cat-png.mp4"] = place.root / "cat.png.jpg"
    assert place.outputs("cat.png") == ["cat-png-2.mp4"]
    place.owners[place.out / "cat.mp4"] = place.root / "cat.png"
    assert place.outputs("cat.png") == ["cat.mp4"]


def test_the_same_work_has_the_same_identity_wherever_its_results_had_to_go(place: Place) -> None:
    place.photo("cat.png")
    before = place.plan("cat.png")
    place.owners[place.out / "cat.mp4"] = place.root / "cat.jpg"
    after = place.plan("cat.png")
    assert before.identity == after.identity
    assert before.spec.outputs != after.spec.outputs
    assert str(place.root) not in before.identity
    place.write("cat.toml", "seed = 1")
    assert place.plan("cat.png").identity != before.identity


def test_a_depth_map_beside_the_photo_is_used_and_counts(place: Place, depth_map: Path) -> None:
    place.photo("x.png")
    assert place.plan("x.png").spec.depth.file is None
    sidecar = Path(shutil.copy(depth_map, place.root / "x.depth.png"))
    plan = place.plan("x.png")
    assert plan.spec.depth.file == str(sidecar)
    assert plan.files == (sidecar,)


def test_sound_is_for_the_formats_that_have_it(place: Place) -> None:
    place.photo("x.png")
    sound = place.write("x.mp3", "sound")
    assert place.plan("x.png").spec.audio == str(sound)
    place.write(".depthflow.toml", '[[outputs]]\n[[outputs]]\nformat = "gif"\n')
    with_sound, without = place.rules.plans(place.root / "x.png")
    assert (with_sound.spec.audio, without.spec.audio) == (str(sound), None)
    assert [output.format for output in with_sound.spec.outputs] == ["mp4"]
    assert [output.format for output in without.spec.outputs] == ["gif"]
    assert with_sound.files == (sound,)
    assert without.files == ()


BROKEN = [
    ("speed = 3", "speed: unknown key", "known here: preset"),
    ("prioritty = 3", "prioritty: unknown key", "did you mean 'priority'?"),
    ("priority = 101", "priority: input should be less than or equal to 100 (got 101)", "at most 100"),
    ('priority = "high"', "priority: a whole number is expected (got 'high')", ""),
    ('after = "shred"', "after: input should be", "allowed: keep, archive, delete"),
    ('preset = "vertiko"', "preset: unknown preset 'vertiko'", "did you mean 'vertigo'?"),
    ('window = "night"', "window: 'night' is no span of a day", "22:00-06:00"),
    ("[settle]\nsecond = 1", "settle.second: unknown key", "did you mean 'seconds'?"),
    ("[settle]\nseconds = -1", "settle.seconds: input should be greater", "at least 0"),
    ("[motion]\nstrenght = 1", "motion.strenght: unknown key", "did you mean 'strength'?"),
    ("[camera]\nzoom = 1000", "camera.zoom: input should be", "at most 100"),
    ("[output]\nfps = 0", "outputs.0.fps: input should be greater", "above 0"),
    ('[[outputs]]\nformat = "mp5"', "outputs.0.format", "mp4"),
    ("motion = 3", "motion: a table with keys is expected (got 3)", ""),
    ("outputs = 3", "outputs: tables are expected", "[[outputs]]"),
    ("outputs = []", "outputs: tables are expected", ""),
    ('name = "{stm}"', "name: unknown word 'stm'", "did you mean 'stem'?"),
    ('name = "../{stem}"', "which is no name for a file", ""),
    ('name = "/etc/{stem}"', "which is no name for a file", ""),
    ('name = "{stem.__class__}"', "name: unknown word", ""),
    ('name = "{stem!r:>9}"', "takes no format", ""),
    ('name = "{stem"', "is no template", ""),
    ('[output]\npath = "/etc/passwd"', "output.path: rules name no files", "`name`"),
    ('[[outputs]]\npath = "x"', "outputs.path: rules name no files", ""),
    ("[output]\noverwrite = false", "output.overwrite: rules name no files", ""),
    ('[depth]\nfile = "/etc/shadow"', "depth.file: rules name no files", "photo.depth.png"),
    ('[effects.caption]\nfont = "/etc/shadow"', "effects.caption.font: rules name no files", ""),
    ('[effects.watermark]\nfile = "/etc/shadow"', "effects.watermark.file: rules name no files", ""),
    ('[depth]\nmodel = "/tmp/evil.onnx"', "depth.model: a name is expected, no path", ""),
    ('[motion]\nname = "../../x.toml"', "motion.name: a name is expected, no path", ""),
    ('preset = "/etc/passwd"', "preset: a name is expected, no path", ""),
    ('timeline = "/etc/passwd"', "timeline: a table with keys is expected", ""),
    ("priority = ", "not valid TOML", ""),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message", "hint"), BROKEN, ids=[text for text, _, _ in BROKEN])
def test_a_mistake_names_file_key_range_and_nearest(place: Place, text: str, message: str, hint: str) -> None:
    place.photo("bad/x.png")
    place.photo("good/x.png")
    rules = place.write("bad/.depthflow.toml", text)
    error = place.error("bad/x.png")
    assert str(error).startswith(f"{rules}: ")
    assert message in str(error)
    assert hint in error.hint
    assert place.outputs("good/x.png") == ["good/x.mp4"], "other folders go on"
    rules.write_text("priority = 1")
    assert place.plan("bad/x.png").rules.priority == 1, "mended, it is read again"


def test_a_mistake_is_said_of_the_file_that_made_it(place: Place) -> None:
    place.photo("a/x.png")
    place.write(".depthflow.toml", "priority = 1")
    place.write("a/.depthflow.toml", "priority = 2")
    sidecar = place.write("a/x.toml", "[camera]\nzoom = 1e9")
    assert str(place.error("a/x.png")).startswith(f"{sidecar}: camera.zoom: ")


def test_garbage_in_rule_files(place: Place) -> None:
    place.photo("x.png")
    path = place.root / ".depthflow.toml"
    path.write_bytes(b"\xff\xfe\x00garbage")
    assert "not a text file in UTF-8" in str(place.error("x.png"))
    path.write_bytes(b"a" * 2_000_000)
    assert "larger than" in str(place.error("x.png"))
    path.unlink()
    path.mkdir()
    assert "cannot be read" in str(place.error("x.png"))


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_links_lead_neither_results_nor_rules_nor_sidecars_out(place: Place, tmp_path: Path, depth_map: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    place.photo("sub/x.png")
    place.out.mkdir()
    (place.out / "sub").symlink_to(elsewhere)
    assert "leads out of" in str(place.error("sub/x.png"))
    (place.out / "sub").unlink()
    (place.root / "sub" / "x.depth.png").symlink_to(depth_map)
    assert place.plan("sub/x.png").spec.depth.file is None
    (elsewhere / "rules.toml").write_text("priority = 1")
    (place.root / ".depthflow.toml").symlink_to(elsewhere / "rules.toml")
    assert "leads out of the watched folder" in str(place.error("sub/x.png"))


def test_results_among_the_photos_are_refused(tmp_path: Path) -> None:
    root = tmp_path / "in"
    assert WatchFolder(root, root / "out", root / "done")
    for output, archive in ((root, tmp_path / "a"), (tmp_path, tmp_path / "a"), (tmp_path / "o", root)):
        with pytest.raises(UsageError, match="among the photos") as caught:
            WatchFolder(root, output, archive)
        assert str(root / "out") in caught.value.hint


@pytest.mark.parametrize("name", ["zwei\nzeilen.png", "фото 📷.png", "{stem}.png", "..png", "%s $HOME.png"])
def test_names_of_photos_stay_names(place: Place, name: str) -> None:
    place.photo(name)
    (output,) = place.outputs(name)
    assert "/" not in output
    assert output.endswith(".mp4")


def test_values_never_add_folders() -> None:
    check_template("{preset}/{stem}")
    assert fill("{preset}/{stem}", {"preset": "a/../b", "stem": "c:d"}) == "a_.._b/c_d"
    for stem in ("..", "", ".hidden"):
        with pytest.raises(UsageError, match="no name for a file"):
            fill("{stem}", {"stem": stem})


def test_a_sidecars_change_is_its_photos(place: Place) -> None:
    photo, other = place.photo("cat.png"), place.photo("catfish.png")
    for name in ("cat.toml", "cat.png.toml", "cat.depth.png", "cat.png.depth.exr", "cat.mp3", "cat.png.wav"):
        sidecar = place.write(name, "")
        assert photos_of(sidecar) == [photo], name
        assert sidecar in companions(photo)
        assert sidecar not in companions(other)
    assert photos_of(photo) == [photo]
    for name in ("notes.txt", "dog.toml", "cat.txt", "cat.depth.txt"):
        assert photos_of(place.write(name, "")) == [], name


HOSTILE = {
    "deep arrays": "x = " + "[" * 30_000,
    "deep arrays, closed": "[motion]\nname = " + "[" * 15_000 + "]" * 15_000,
    "deep tables": "motion = " + "{a=" * 7000 + "1" + "}" * 7000,
    "a key of many parts": "motion" + ".a" * 1500 + " = 1",
    "a long number": "priority = " + "9" * 30_000,
    "a large exponent": "[motion]\nstrength = 1e999",
    "no number": "[settle]\nseconds = nan",
    "a date": "priority = 1979-05-27T07:32:00Z",
    "many outputs": "[[outputs]]\n" * 2000,
    "half a character": 'name = "caf\udce9"',
    "a character that ends names": 'name = "{stem}\\u0000"',
}  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_rules_made_to_hurt_are_refused(place: Place, text: str) -> None:
    place.photo("x.png")
    path = place.root / ".depthflow.toml"
    path.write_bytes(text.encode(errors="surrogateescape"))
    assert str(place.error("x.png")).startswith(f"{path}: ")
    assert str(place.error("x.png")).startswith(f"{path}: "), "and again"


def test_random_bytes_as_rules_never_end_in_anything_but_a_usage_error(place: Place) -> None:
    place.photo("x.png")
    chance = random.Random(3)  # noqa: S311 - no secrets
    pieces = [
        "[",
        "]",
        "[[outputs]]\n",
        "motion",
        ".",
        " = ",
        '"',
        "'",
        "{stem}",
        "\n",
        "1",
        "nan",
        "#",
        ",",
        "é",
        "\0",
    ]
    pieces += ["settle", "seconds", "output", "size", "name", "true", "{", "}", "timeline", "-", "_", "\\u", "preset"]
    for _ in range(400):
        text = "".join(chance.choices(pieces, k=chance.randrange(1, 30)))
        place.write(".depthflow.toml", text)
        with contextlib.suppress(UsageError):
            place.rules.plans(place.root / "x.png")


def test_an_encoding_mark_before_the_rules_is_passed_over(place: Place) -> None:
    place.photo("x.png")
    (place.root / ".depthflow.toml").write_bytes(b"\xef\xbb\xbfpriority = 4")
    assert place.plan("x.png").rules.priority == 4


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes in folders")
@pytest.mark.timeout(20)
def test_pipes_named_like_rules_and_sidecars_are_not_waited_for(place: Place) -> None:
    place.photo("x.png")
    for name in ("x.depth.png", "x.mp3"):
        os.mkfifo(place.root / name)
    assert (place.plan("x.png").files, place.plan("x.png").spec.audio) == ((), None)
    for name in ("x.toml", ".depthflow.toml"):
        os.mkfifo(place.root / name)
        assert f"{place.root / name}: cannot be read: no regular file" in str(place.error("x.png"))
        (place.root / name).unlink()


@pytest.mark.parametrize("stem", ["x" * 251, "é" * 125, "📷" * 62], ids=["ascii", "two bytes", "four bytes"])
def test_names_as_long_as_file_systems_take(place: Place, stem: str) -> None:
    place.photo(f"{stem}.png")
    place.write(".depthflow.toml", 'name = "{stem}-{stem}-{size}"\n[[outputs]]\nposter = 0.5\nformat = "png"\n')
    (output,) = place.outputs(f"{stem}.png")
    (place.out / output).parent.mkdir()
    (place.out / output).touch()
    assert (place.out / output).name.startswith(stem[:50])
    place.owners[place.out / output] = place.root / "other.png"
    (second,) = place.outputs(f"{stem}.png")
    (place.out / second).touch()
    assert second != output
