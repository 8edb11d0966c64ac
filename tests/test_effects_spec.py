"""Effects as they are asked for: options, tables, presets, timelines; what is refused; and the page in docs."""

import json
import re
import shutil
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from depthflow import api, paths
from depthflow.cli import app
from depthflow.cli.effects import markdown
from depthflow.errors import PhotoError, UsageError
from depthflow.jobs import fonts
from depthflow.jobs.animation import animation_of
from depthflow.jobs.effects import check_files, effect_notes, effects_of, moving
from depthflow.jobs.effects_options import escaped, from_given, from_options, from_table, keys
from depthflow.jobs.effects_spec import SUGGESTED, EffectsSpec
from depthflow.jobs.fonts import built_in, font_for
from depthflow.jobs.library import apply_preset, load_preset, names, resolve
from depthflow.jobs.pipeline import make
from depthflow.jobs.spec import JobSpec
from depthflow.render.painter import Shot
from depthflow.scene.camera import Camera
from depthflow.scene.parameters import TABLE
from depthflow.scene.particles import KINDS
from tests.running import depthflow, job_in, pixels, refused

DOC = Path(__file__).parent.parent / "docs" / "effects.md"


def test_every_row_of_the_table_is_a_key_with_its_range_and_default():
    schema = EffectsSpec.model_json_schema()
    for row in (row for row in TABLE.values() if row.group == "effects"):
        part, key = row.name.split(".")
        node = schema["$defs"][schema["properties"][part]["$ref"].rsplit("/", 1)[-1]]["properties"][key]
        bounds = next((n for n in node.get("anyOf", ()) if "minimum" in n), node)
        assert (bounds["minimum"], bounds["maximum"]) == (row.low, row.high), row.name
        assert node["default"] in (row.default, None)
        assert node["description"]


def test_by_default_all_is_off_and_every_usual_amount_turns_something_on():
    assert not effects_of(EffectsSpec(), (64, 48)).active()
    assert set(KINDS) <= set(SUGGESTED)
    for name in SUGGESTED:
        spec = JobSpec.parse({"photo": "x", "effects": from_options([name])}).effects
        assert effects_of(spec, (64, 48)).active(), name


def test_options_and_tables_say_the_same():
    options = [
        "vignette",
        "dof.aperture=0.04",
        "snow",
        "particles.amount=0.3",
        "caption.text=a = b",
        "dof.linear=false",
    ]
    table = {
        "vignette": True,
        "dof": {"aperture": 0.04, "linear": False},
        "snow": True,
        "particles.amount": 0.3,
        "caption.text": "a = b",
        "grain": False,
    }
    assert from_options(options) == from_table(table) == from_given(options) == from_given(table)
    spec = JobSpec.parse({"photo": "x", "effects": from_options(options)}).effects
    assert (spec.particles.kind, spec.particles.amount, spec.caption.text) == ("snow", 0.3, "a = b")


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("vignete", ["vignete", "did you mean 'vignette'"]),
        ("vignette.strenght=1", ["did you mean 'vignette.strength'"]),
        ("vignette=1", ["no value", "vignette.strength="]),
        ("vignette.strength", ["vignette.strength"]),
        ("vignette.strength=2", ["effects.vignette.strength", "at most 1"]),
        ("vignette.strength=nan", ["effects.vignette.strength", "finite"]),
        ("vignette.strength=true", ["effects.vignette.strength", "a number is expected"]),
        ("vignette.strength=", ["effects.vignette.strength", "a number is expected"]),
        ("dof.shape=disk", ["effects.dof.shape", "did you mean 'disc'"]),
        ("fog.colour=greyish", ["effects.fog.colour", "greyish", "#rrggbb"]),
        ("caption", ["caption.text"]),
        ("caption.place=botom", ["did you mean 'bottom'"]),
        ("=", ["unknown effect"]),
    ],
)
def test_a_bad_option_is_refused_with_its_key_and_the_way_out(option, words):
    with pytest.raises(UsageError) as caught:
        api.build_spec("x", effects=from_options([option]))
    for word in words:
        assert word in f"{caught.value.message} {caught.value.hint}"


def test_names_alone_are_usual_amounts_and_a_text_alone_is_what_is_shown():
    assert from_given("vignette") == from_given(["vignette"]) == from_given({"vignette": True})
    assert from_given({"caption": "Hi", "watermark": Path("a.png")}) == {
        "caption": {"text": "Hi"},
        "watermark": {"file": "a.png"},
    }
    assert from_given(None) == from_given({}) == from_given({"fog": False, "sepia": None}) == {}


def no_fonts(monkeypatch, *folders):
    """The computer has no fonts but those in these folders."""
    fonts._of_computer.cache_clear()
    monkeypatch.setattr(fonts, "folders", lambda: list(folders))


def test_the_built_in_font_has_the_letters_of_europe(monkeypatch):
    no_fonts(monkeypatch)
    text = "Café Straße Øre Łódź ÆÐÞß ïñç ĞŞİ ěščřž ÄÖÜ ő û – — „“ ‚‘ « » … • € © ™ Ωμέγα Привет Tiếng Việt"
    notes: list[str] = []
    assert font_for(text, 20, None, warn=notes.append).getname()[0] == "Open Sans"
    # Letters and accents apart, as macOS writes them, are the same text.
    check_files(EffectsSpec.model_validate({"caption": {"text": unicodedata.normalize("NFD", "Café Łódź")}}))
    assert notes == []


def test_letters_that_it_lacks_come_from_a_font_of_the_computer(monkeypatch, tmp_path):
    """Stood for by a built-in font of few letters."""
    from PIL import ImageFont

    few = tmp_path / "few.ttf"
    few.write_bytes(ImageFont.load_default(20).path.getvalue())
    monkeypatch.setattr(fonts, "built_in", lambda: few)
    folder = tmp_path / "fonts" / "deeper"
    folder.mkdir(parents=True)
    (folder / "aaa.ttf").write_bytes(b"none")
    for name in ("Zebra-Italic.ttf", "Zebra.ttf", "NotoEmoji.ttf", "Aaa.otf.txt"):
        shutil.copy(paths.data("config", "fonts", "OpenSans-Regular.ttf"), folder / name)
    shutil.copy(few, folder / "DejaVuSans.ttf")
    no_fonts(monkeypatch, tmp_path / "fonts", tmp_path / "not there")
    spec, notes = EffectsSpec.model_validate({"caption": {"text": "Café"}}), []
    effects_of(spec, (640, 360), warn=notes.append)
    assert notes == [
        f"caption: the built-in font has no é; Open Sans Regular of this computer is taken ({folder / 'Zebra.ttf'})"
    ]
    monkeypatch.setattr(fonts, "built_in", lambda: paths.data("config", "fonts", "OpenSans-Regular.ttf"))
    no_fonts(monkeypatch)


def test_a_caption_that_does_not_fit_is_made_smaller_with_a_note():
    size = (640, 360)

    def shown(caption, **others):
        notes: list[str] = []
        spec = EffectsSpec.model_validate({"caption": caption, **others})
        overlay = effects_of(spec, size, warn=notes.append).overlays["caption"]
        _, _, width, height = overlay.rectangle(spec.caption.size, size)
        border = 2 * overlay.border * spec.caption.size * size[1] / overlay.em
        return width - border, height - border, notes

    assert shown({"text": "Hello"})[2] == []
    width, _, notes = shown({"text": "Donaudampfschifffahrtsgesellschaft", "size": 0.2})
    assert 500 < width <= 640
    assert len(notes) == 1
    assert "does not fit" in notes[0]
    assert "0.2" in notes[0]
    bars = {"letterbox": {"amount": 1.0, "aspect": 4.0}}
    _, height, notes = shown({"text": "one\ntwo\nthree\nfour", "size": 0.15}, **bars)
    assert 80 < height <= 160
    assert len(notes) == 1
    assert shown({"text": "one\ntwo\nthree\nfour", "size": 0.15})[2] == []


@pytest.mark.parametrize(
    ("written", "text"), [(r"a\nb", "a\nb"), (r"a\\nb", r"a\nb"), ("a\nb", "a\nb"), (r"a\b\c", r"a\b\c")]
)
def test_a_line_break_in_a_caption_is_written_as_backslash_n(written, text):
    assert from_options([f"caption.text={written}"]) == {"caption": {"text": text}}
    assert from_options([f"caption.text={escaped(text)}"]) == {"caption": {"text": text}}


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ({"caption": {"text": "x", "font": "/nowhere.ttf"}}, ["effects.caption.font", "/nowhere.ttf"]),
        ({"caption": {"text": "x", "font": __file__}}, ["effects.caption.font", Path(__file__).name]),
        ({"caption": {"text": "a漢字"}}, ["effects.caption.text", "字", "name a font file"]),
        ({"caption": {"text": "é漢", "font": str(built_in())}}, ["OpenSans-Regular.ttf has no 漢", "another font"]),
        ({"watermark": {"file": "/nowhere.png"}}, ["effects.watermark.file", "/nowhere.png"]),
        ({"watermark": {"file": __file__}}, ["effects.watermark.file"]),
        ({"watermark": {"file": "-"}}, ["effects.watermark.file: - is not there"]),
        ({"watermark": {"file": "http://127.0.0.1:1/logo.png"}}, ["effects.watermark.file", "is not there"]),
    ],
)
def test_files_that_cannot_be_used_are_refused_before_any_work(monkeypatch, part, words):
    no_fonts(monkeypatch)
    with pytest.raises((UsageError, PhotoError)) as caught:
        check_files(EffectsSpec.model_validate(part))
    for word in words:
        assert word in f"{caught.value.message} {caught.value.hint}"
    job = JobSpec(photo="gone.jpg", effects=EffectsSpec.model_validate(part))
    with pytest.raises(type(caught.value), match=r"effects\."):
        make(job)


def test_a_preset_may_carry_effects_and_options_lie_over_them(tmp_path):
    path = tmp_path / "p.toml"
    path.write_text("[effects.vignette]\nstrength = 0.4\nstart = 0.1\n[effects.grain]\nstrength = 0.2\n")
    spec = api.build_spec("x", preset=str(path), effects=from_options(["vignette.strength=0.9"]))
    assert (spec.effects.vignette.strength, spec.effects.vignette.start, spec.effects.grain.strength) == (0.9, 0.1, 0.2)
    path.write_text("[effects.vignete]\nstrength = 0.4\n")
    with pytest.raises(UsageError, match=r"effects\.vignete") as caught:
        load_preset(str(path))
    assert "did you mean 'vignette'" in caught.value.hint


def test_some_presets_that_ship_have_effects():
    specs = {n: JobSpec.parse(apply_preset({"photo": "x"}, load_preset(n))) for n in names("presets")}
    having = {name for name, spec in specs.items() if effects_of(spec.effects, (64, 36)).active()}
    assert {"film", "snowfall", "dreamy"} <= having
    assert "orbital" not in having


def test_the_digest_covers_effects_and_what_is_shared_has_no_folders(tmp_path):
    base = JobSpec(photo="x.jpg")
    marked = base.with_(effects={"watermark": {"file": "/home/me/logo.png"}, "caption": {"font": "/home/me/a.ttf"}})
    assert marked.digest() != base.digest()
    assert "/home" not in marked.shareable().to_json()
    assert marked.shareable().effects.watermark.file == "logo.png"


def job_of(**more):
    outputs = [{"fps": 10.0, "duration": 1.0, "loops": 2}]
    return JobSpec.parse({"photo": "x", "motion": {"name": "still"}, "outputs": outputs, **more})


def test_a_timeline_drives_effects_from_where_the_job_left_them():
    keys_ = [{"at": 0, "value": 0.0, "easing": "linear"}, {"at": "100%", "value": 0.38}]
    track = {"parameter": "vignette.strength", "mode": "add", "keys": keys_}
    spec = job_of(effects={"vignette": {"strength": 0.5}}, timeline={"tracks": [track]})
    values = animation_of(spec, spec.outputs[0]).values
    np.testing.assert_allclose(values["vignette.strength"], 0.5 + 0.02 * np.arange(20), atol=1e-9)
    effects = effects_of(spec.effects, (64, 48), animated=values)
    shots = moving([Shot((Camera(),))] * 20, effects, values, passes=2, fps=10.0)
    assert shots[3].values["vignette.strength"] == pytest.approx(0.56)
    assert [shot.phase for shot in shots[:12]] == pytest.approx([*np.arange(10) / 10, 0.0, 0.1])


def test_a_motion_drives_effects_from_where_the_job_left_them():
    pulse = {"parameter": "colour.exposure", "kind": "sine", "amount": 0.5}
    follow = {"parameter": "dof.focus", "kind": "add", "amount": 0.1}
    motion = {"components": [pulse, follow]}
    values = animation_of(
        (spec := job_of(motion=motion, effects={"colour": {"exposure": 1.0}}, camera={"focus": 0.6})), spec.outputs[0]
    ).values
    np.testing.assert_allclose(
        values["colour.exposure"][:10], 1 + 0.5 * np.sin(2 * np.pi * np.arange(10) / 10), atol=1e-9
    )
    np.testing.assert_allclose(values["dof.focus"], 0.7)


@pytest.mark.gl
def test_a_driven_value_changes_the_frames_of_a_video(photo, depth_map, tmp_path):
    track = {"parameter": "fade.amount", "keys": [{"at": 0, "value": 1.0}, {"at": "100%", "value": 0.0}]}
    spec = JobSpec.parse(
        {
            "photo": str(photo),
            "depth": {"file": str(depth_map)},
            "motion": {"name": "still"},
            "timeline": {"tracks": [track]},
            "outputs": [{"path": str(tmp_path / "v.mp4"), "size": "64x48", "fps": 10, "duration": 0.6}],
        }
    )
    make(spec)
    brightness = pixels(tmp_path / "v.mp4").mean(axis=(1, 2, 3))
    assert brightness[0] < 3
    assert (np.diff(brightness) > 2).all()


@pytest.mark.gl
def test_the_python_interface(photo, depth_map):
    small = {"size": (64, 48), "depth": str(depth_map)}
    with api.Renderer(photo, **small) as plain, api.Renderer(photo, effects={"fade.amount": 0.5}, **small) as faded:
        bright, dark = plain.render().astype(float), faded.render().astype(float)
    np.testing.assert_allclose(dark, bright / 2, atol=1)
    with api.Renderer(photo, effects={"fireflies": True, "fade": {"begin": 0.2}}, **small) as renderer:
        frames = list(renderer.frames("still", fps=10, seconds=0.5))
        again = list(renderer.frames("still", fps=10, seconds=0.5))
    assert frames[0].max() == 0
    assert frames[-1].mean() > 20
    np.testing.assert_array_equal(frames, again)
    with pytest.raises(UsageError, match="vignet"):
        api.Renderer(photo, effects={"vignet": True}, **small)


@pytest.mark.gl
def test_the_command_line(photo, depth_map, tmp_path):
    common = ("render", photo, "--depth", depth_map, "--size", "64x48", "--fps", "8", "--duration", "0.5")
    options = ("--effect", "vignette", "--effect", "fog.density=1.5", "--caption", "Hi", "--watermark", photo)
    done = depthflow(*common, "-o", "v.mp4", *options, cwd=tmp_path)
    assert done.code == 0, done.err
    effects = job_in(tmp_path / "v.mp4")["effects"]
    assert effects["vignette"]["strength"] == SUGGESTED["vignette"]["vignette.strength"]
    assert (effects["fog"]["density"], effects["caption"]["text"]) == (1.5, "Hi")
    assert effects["watermark"]["file"] == photo.name
    refused(depthflow(*common, "--effect", "vignet", cwd=tmp_path), 2, "vignet", "did you mean 'vignette'")
    refused(depthflow(*common, "--watermark", "no.png", cwd=tmp_path), 3, "effects.watermark.file", "no.png")


@pytest.mark.gl
@pytest.mark.parametrize(
    ("effects", "kept"),
    [
        ({"fade": {"amount": 0.5}}, True),
        ({"colour": {"grayscale": 1.0}, "letterbox": {"amount": 1.0, "aspect": 4.0}}, True),
        ({"dof": {"aperture": 0.03}, "fade": {"amount": 0.5}}, False),
    ],
)
def test_a_transparent_photo_stays_so_with_all_effects_but_depth_of_field(depth_map, tmp_path, effects, kept):
    pixels_ = np.full((96, 128, 4), 255, np.uint8)
    pixels_[:, :64, 3] = 0
    Image.fromarray(pixels_).save(tmp_path / "clear.png")
    job = {
        "photo": str(tmp_path / "clear.png"),
        "depth": {"file": str(depth_map)},
        "effects": effects,
        "motion": {"name": "still"},
    }
    output = {"path": str(tmp_path / "v.png"), "format": "png", "size": "64x48", "fps": 1, "duration": 1}
    result = make(JobSpec.parse({**job, "outputs": [output]}))
    alpha = np.asarray(Image.open(result.outputs[0].path).convert("RGBA"))[24, :, 3]
    if kept:
        assert result.notes == ()
        assert (alpha[:28].max(), alpha[36:].min()) == (0, 255)
    else:
        assert result.notes == ("the transparent photo lies on #ffffff, because depth of field keeps no transparency",)
        assert alpha.min() == 255


@pytest.mark.gl
def test_a_video_is_made_again_with_its_watermark(photo, depth_map, tmp_path):
    Image.fromarray(np.full((8, 8, 3), 200, np.uint8)).save(tmp_path / "logo.png")
    shutil.copy(depth_map, tmp_path / "ball.png")
    small = ("--size", "64x48", "--fps", "8", "--duration", "0.25")
    first = depthflow(
        "render", photo, "--depth", "ball.png", "-o", "a.mp4", "--watermark", "logo.png", *small, cwd=tmp_path
    )
    assert first.code == 0, first.err
    again = depthflow("render", "--like", "a.mp4", "-o", "b.mp4", cwd=tmp_path)
    assert again.code == 0, again.err
    np.testing.assert_array_equal(pixels(tmp_path / "a.mp4"), pixels(tmp_path / "b.mp4"))
    (tmp_path / "logo.png").unlink()
    refused(depthflow("render", "--like", "a.mp4", "-o", "c.mp4", cwd=tmp_path), 3, "logo.png", "--watermark")


def test_the_list():
    result = CliRunner().invoke(app, ["effects", "list", "--json"])
    rows = json.loads(result.output)
    assert [row["name"] for row in rows] == list(keys())
    assert all(row["what it does"] and row["range"] for row in rows)
    shown = CliRunner().invoke(app, ["effects", "list"]).output
    assert "vignette.strength" in shown
    assert "fireflies" in shown
    assert "dof.focus=0.75" in shown, "how to have a subject sharp"


def test_the_page_shows_what_the_table_says_and_its_examples_work():
    text = DOC.read_text()
    found = re.search(r"<!-- effects -->\n(.*?)<!-- /effects -->", text, re.DOTALL)
    assert found[1].strip() == markdown(), "write it again: depthflow effects list --markdown"
    for name in SUGGESTED:
        assert f"`{name}`" in text
    blocks = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    assert blocks
    for block in blocks:
        spec = JobSpec.from_toml(f'photo = "x"\n{block}')
        values = animation_of(spec, spec.outputs[0]).values
        assert effects_of(spec.effects, (64, 36), animated=values).active()


def test_what_is_asked_of_an_effect_that_does_nothing_is_a_note():
    def notes(*options, **more):
        return effect_notes(resolve(JobSpec.parse({"photo": "a.jpg", "effects": from_options(options), **more})))

    assert notes("dof.focus=0.8") == ["effects: dof.focus has no effect without dof.aperture"]
    assert notes("caption.size=0.1", "fog.start=0.5") == [
        "effects: fog.start has no effect without fog.density",
        "effects: caption.size has no effect without caption.text",
    ]
    assert notes("dof", "dof.focus=0.8", "vignette", "grain.strength=0.2", "grain.size=2") == []
    track = {"parameter": "dof.aperture", "keys": [{"at": "0s", "value": 0}, {"at": "100%", "value": 0.05}]}
    assert notes("dof.focus=0.8", timeline={"tracks": [track]}) == []
    for name in names("presets"):
        preset = apply_preset({"photo": "a.jpg"}, load_preset(name))
        assert effect_notes(resolve(JobSpec.parse(preset))) == []
