"""JobSpec: to and from text, what it refuses, and that its digest means what is made."""

import json
from pathlib import Path

import pytest

from depthflow.errors import UnknownNameError, UsageError
from depthflow.jobs import problems
from depthflow.jobs.library import apply_preset, find, load_motion, load_preset, motion_of, names, resolve
from depthflow.jobs.spec import JobSpec, json_schema, load_spec

FULL = JobSpec.parse(
    {
        "photo": "a photo.jpg",
        "seed": 7,
        "depth": {"file": "d.png", "invert": True},
        "motion": {"components": [{"parameter": "x", "kind": "sine", "amount": 0.1}], "loop": True, "strength": 0.5},
        "camera": {"relief": 0.9, "zoom": 1.1},
        "outputs": [{"path": "a.mp4"}, {"path": "ö.gif", "format": "gif", "size": "640x", "fps": 12.5}],
        "audio": "song.mp3",
    }
)


@pytest.mark.parametrize("spec", [JobSpec(photo="x.png"), FULL, resolve(JobSpec(photo="x.png"))])
def test_text_and_back(spec):
    assert JobSpec.from_toml(spec.to_toml()) == spec
    assert JobSpec.from_json(spec.to_json()) == spec
    assert JobSpec.from_json(spec.canonical()).canonical() == spec.canonical()
    assert len(spec.digest()) == 64


def test_the_digest_covers_what_is_made_and_nothing_else():
    base = JobSpec(photo="x.png")
    outputs = [{**base.outputs[0].model_dump(), "overwrite": True}]
    assert base.with_(preset="orbital").with_(outputs=outputs).digest() == base.digest()
    elsewhere = base.with_(render={"gl_backend": "osmesa", "gl_device": 3})
    assert elsewhere.digest() == base.digest(), "it says where it is drawn, and not what"
    digests = {base.digest(), base.with_(seed=1).digest(), base.with_(camera={"zoom": 1.5}).digest(), FULL.digest()}
    assert len(digests) == 4


def test_a_resolved_job_no_longer_needs_the_library():
    spec = resolve(JobSpec(photo="x.png", motion={"name": "zoom"}))
    moved = spec.with_(motion={**spec.motion.model_dump(), "name": "gone"})
    assert motion_of(moved).components == load_motion("zoom").components
    assert spec.camera.relief == load_motion("zoom").relief
    assert resolve(spec) == spec


def test_the_published_schema_is_this_one():
    published = Path(__file__).parent.parent / "docs" / "jobspec.schema.json"
    assert json.loads(published.read_text()) == json_schema(), (
        "write it again: depthflow make --schema > docs/jobspec.schema.json"
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("photo = 1", ["photo", "text is expected"]),
        ("", ["photo", "required"]),
        ('photo = "x"\nversion = 2', ["version"]),
        ('photo = "x"\nmotoin = {}', ["motoin", "unknown key", "did you mean 'motion'"]),
        ('photo = "x"\n[camera]\nrelief = nan', ["camera.relief", "finite"]),
        ('photo = "x"\n[camera]\nrelief = -1', ["camera.relief", "greater than or equal to 0"]),
        ('photo = "x"\n[[outputs]]\nfps = 0', ["outputs.0.fps", "greater than 0"]),
        ('photo = "x"\n[[outputs]]\nsize = "huge"', ["outputs.0.size", "huge", "1920x1080"]),
        ('photo = "x"\n[[outputs]]\nformat = "mp5"', ["outputs.0.format", "mp4"]),
        ('photo = "x"\noutputs = []', ["outputs"]),
        ('photo = "x"\n[[outputs]]\npath = "a.mp4"\n[[outputs]]\npath = "a.mp4"', ["same path"]),
        ('photo = "x"\n[motion]\neasing = "bouncy"', ["motion.easing", "bouncy", "ease-in-out"]),
        ("photo = ", ["not valid TOML"]),
        pytest.param("photo = " + "[" * 5000, ["nested too deep"], id="deep"),
        pytest.param("seed = " + "9" * 5000, ["not valid TOML"], id="digits"),
        pytest.param("#" * (5 << 20), ["larger than"], id="large"),
    ],
)
def test_refused_with_file_key_and_way_out(tmp_path, text, words):
    path = tmp_path / "job.toml"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        load_spec(path)
    told = f"{caught.value.message} {caught.value.hint}"
    assert str(path) in told
    for word in words:
        assert word in told


def test_json_must_be_an_object():
    with pytest.raises(UsageError, match="object"):
        JobSpec.from_json("[1]")
    with pytest.raises(UsageError, match="not valid JSON"):
        JobSpec.from_json("{")
    with pytest.raises(UsageError, match="not valid JSON: nested too deep"):
        JobSpec.from_json("[" * 200_000)


def test_what_is_wrong_is_said_once():
    with pytest.raises(UsageError) as caught:
        JobSpec.parse({"photo": "x", "outputs": [{"size": "huge"}]})
    assert caught.value.message.count("huge") == 1


# -- the library -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(names("presets")))
def test_every_preset_is_a_valid_fragment(name):
    preset = load_preset(name)
    assert preset.description
    spec = JobSpec.parse(apply_preset({"photo": "x"}, preset))
    assert motion_of(spec).description


def test_a_presets_output_goes_into_the_first_output():
    outputs = [{"path": "a.mp4", "fps": 50.0}, {"path": "b.gif"}]
    job = apply_preset({"photo": "x", "outputs": outputs}, load_preset("story"))
    spec = JobSpec.parse(job)
    assert (spec.outputs[0].size, spec.outputs[0].fps, spec.outputs[0].path) == ("story", 50.0, "a.mp4")
    assert spec.outputs[1].size == "1080p"
    assert spec.preset == "story"


def test_an_unknown_name_gets_the_nearest_one():
    with pytest.raises(UnknownNameError) as caught:
        find("motions", "orbtal")
    assert "did you mean 'orbital'?" in caught.value.hint
    assert caught.value.exit_code == 2


def test_the_users_own_motion_wins(tmp_path, monkeypatch):
    monkeypatch.setenv("DEPTHFLOW_CONFIG_DIR", str(tmp_path))
    (tmp_path / "motions").mkdir()
    (tmp_path / "motions" / "still.toml").write_text('description = "mine"\n')
    assert load_motion("still").description == "mine"
    assert load_motion("circle").components


@pytest.mark.parametrize("name", ["../motions/still", "/etc/passwd", "no/such.toml", ""])
def test_a_name_is_no_way_out_of_the_library(name):
    with pytest.raises(UsageError):
        load_motion(name)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('descripton = "x"', ["descripton", "did you mean 'description'"]),
        ('[[components]]\nparameter = "x"\nkind = "sin"\namount = 1', ["components.0.kind", "'sine'"]),
        ('[[components]]\nparameter = "x"\nkind = "sine"\namount = nan', ["components.0.amount", "finite"]),
        ('[[components]]\nparameter = "q"\nkind = "sine"\namount = 1', ["'q'", "x, y, z"]),
        ('easing = "eas"', ["eas", "ease-in-out"]),
        ("loop = 3", ["loop", "boolean"]),
        ("relief = 99", ["relief", "0 and 10"]),
    ],
)
def test_a_motion_file_is_refused_with_file_key_and_way_out(tmp_path, text, words):
    path = tmp_path / "m.toml"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        load_motion(str(path))
    for word in [str(path), *words]:
        assert word in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[motion]\nstrenght = 2", ["motion.strenght", "did you mean 'strength'"]),
        ("[mation]", ["mation", "motion"]),
        ("[output]\nfps = -2", ["fps", "greater than 0"]),
        ("motion = 3", ["motion", "table"]),
        ("description = 3", ["description", "text"]),
    ],
)
def test_a_preset_file_is_refused_with_file_key_and_way_out(tmp_path, text, words):
    path = tmp_path / "p.toml"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        load_preset(str(path))
    for word in [str(path), *words]:
        assert word in f"{caught.value.message} {caught.value.hint}"


def test_the_schema_is_not_worked_out_for_a_good_job(monkeypatch):
    """It takes longer than all else that a command does before it loads the photo."""
    monkeypatch.setattr(problems, "_schema_of", lambda model: pytest.fail(f"the schema of {model} was worked out"))
    job = JobSpec.parse({"photo": "a.jpg", "motion": {"name": "orbital", "pivot": "nearest"}, "camera": {"zoom": 2}})
    JobSpec.parse(resolve(job).to_dict())


@pytest.mark.parametrize(
    "part", [{"camera": {"zoom": "2"}}, {"camera": {"zoom": True}}, {"outputs": [{"overwrite": "yes"}]}]
)
def test_text_is_no_number(part):
    with pytest.raises(UsageError, match="is expected"):
        JobSpec.parse({"photo": "a.jpg", **part})
