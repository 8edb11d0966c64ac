"""The studio's model: undo against a plain list of states, presets, slots, and files whose comments stay."""

from __future__ import annotations

import random
import tomllib
from pathlib import Path
from typing import Any

import pytest

from depthflow.errors import OutputError, UsageError
from depthflow.jobs import library
from depthflow.jobs.library import load_preset
from depthflow.jobs.spec import JobSpec
from depthflow.tui.studio.model import StudioModel
from depthflow.tui.studio.parameters import flat
from depthflow.tui.studio.preset_file import preset_toml, save_preset

TIMELINE = {"tracks": [{"parameter": "zoom", "keys": [{"at": "0%", "value": 1.0}, {"at": "100%", "value": 2.0}]}]}


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DEPTHFLOW_CONFIG_DIR", str(tmp_path / "config"))
    return tmp_path / "config" / "presets"


def dramatic(model: StudioModel) -> StudioModel:
    model.choose("dramatic", load_preset("dramatic").parts)
    return model


def test_a_value_is_put_and_taken_back() -> None:
    model = StudioModel("photo.jpg")
    assert model.get("motion.strength") == 1.0
    model.put("motion.strength", 2)
    assert (model.get("motion.strength"), model.changed) == (2.0, {"motion.strength"})
    assert model.spec() == {"motion": {"strength": 2.0}}
    assert model.undo()
    assert (model.get("motion.strength"), model.spec()) == (1.0, {})
    assert not model.undo()
    assert model.redo()
    assert model.get("motion.strength") == 2.0


@pytest.mark.parametrize("seed", range(20))
def test_undo_goes_back_through_every_state_that_there_was(seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311
    model = StudioModel("photo.jpg")
    paths = ["motion.strength", "camera.zoom", "effects.fog.density", "output.loops", "motion.reverse"]
    values = {"output.loops": [1, 2, 3], "motion.reverse": [True, False]}

    def picture() -> tuple[Any, ...]:
        return model.preset, model.spec(), tuple(model.get(path) for path in paths)

    states, at, gesture = [picture()], 0, 0
    heard: list[None] = []
    model.subscribe(lambda: heard.append(None))
    for _ in range(120):
        match rng.choice(["put", "put", "drag", "undo", "redo", "reset", "preset"]):
            case "put":
                path = rng.choice(paths)
                model.put(path, rng.choice(values.get(path, [0.5, 1.0, 1.5, 2.0])))
            case "drag":
                gesture += 1
                for _ in range(rng.randint(1, 5)):
                    model.put("camera.zoom", rng.choice([0.6, 0.7, 0.8]), gesture=gesture)
            case "reset":
                model.reset()
            case "preset":
                name = rng.choice(["dramatic", "gentle"])
                model.choose(name, load_preset(name).parts)
            case "undo":
                assert model.undo() == (at > 0)
                at = max(0, at - 1)
                assert picture() == states[at]
                heard.clear()
                continue
            case "redo":
                assert model.redo() == (at + 1 < len(states))
                at = min(len(states) - 1, at + 1)
                assert picture() == states[at]
                heard.clear()
                continue
        if heard:  # what was undone is gone, even if a drag ended where it began
            del states[at + 1 :]
        if picture() != states[at]:
            states.append(picture())
            at += 1
        heard.clear()
    while model.undo():
        at -= 1
        assert picture() == states[at]
    assert at == 0


def test_one_gesture_is_one_step() -> None:
    model = StudioModel()
    for value in (1.1, 1.2, 1.3):
        model.put("camera.zoom", value, gesture="drag 1")
    model.put("camera.zoom", 1.4, gesture="drag 2")
    model.undo()
    assert model.get("camera.zoom") == 1.3
    model.undo()
    assert model.get("camera.zoom") == 1.0


def test_several_values_are_one_step() -> None:
    model = StudioModel()
    model.put_many({"camera.zoom": 2, "camera.focus": 0.5})
    model.undo()
    assert model.changed == frozenset()


def test_a_value_that_is_not_allowed_changes_nothing() -> None:
    model = StudioModel()
    with pytest.raises(UsageError, match=r"0\.01 to 100"):
        model.put_many({"camera.focus": 0.5, "camera.zoom": 1000})
    with pytest.raises(UsageError, match="far"):
        model.put("depth.far", 1.0)
    with pytest.raises(UsageError, match="easing"):
        model.put("motion.easing", "wobbly")
    assert (model.changed, model.can_undo) == (frozenset(), False)


def test_what_would_contradict_goes() -> None:
    model = StudioModel()
    model.put("motion.cycles", 2)
    model.put("motion.period", 3)
    assert (model.get("motion.cycles"), model.get("motion.period")) == (1.0, 3.0)
    model.put("motion.cycles", 4)
    assert model.get("motion.period") is None
    model.put_many({"output.view.mode": "anaglyph", "output.view.anaglyph": "dubois"})
    model.put("output.view.mode", "mono")
    assert model.get("output.view.anaglyph") is None
    model.job()


def test_a_preset_is_what_changes_are_counted_from() -> None:
    model = dramatic(StudioModel("photo.jpg"))
    strength = load_preset("dramatic").parts["motion"]["strength"]
    assert (model.preset, model.get("motion.strength"), model.changed) == ("dramatic", strength, frozenset())
    model.put("motion.strength", 1.0)
    assert model.spec() == {"motion": {"strength": 1.0}}
    model.put("motion.strength", strength)
    assert model.spec() == {}
    model.put("motion.strength", 0.3)
    model.reset(["motion.strength"])
    assert model.get("motion.strength") == strength
    model.undo()
    assert model.get("motion.strength") == 0.3


@pytest.mark.parametrize("name", library.names("presets"))
def test_the_job_is_the_one_that_the_library_makes(name: str) -> None:
    preset = load_preset(name)
    model = StudioModel("photo.jpg")
    model.choose(name, preset.parts)
    wanted = JobSpec.parse(library.apply_preset({"photo": "photo.jpg"}, preset))
    assert model.job() == wanted
    assert all(model.get(path) == value for path, value in flat(wanted.model_dump(mode="json")).items())
    model.put_many({"camera.zoom": 1.25, "output.fps": 12, "effects.grain.strength": 0.25})
    job = model.job()
    assert (job.camera.zoom, job.outputs[0].fps, job.effects.grain.strength) == (1.25, 12, 0.25)
    assert job.outputs[0].duration == wanted.outputs[0].duration


def test_the_timeline_is_put_like_a_value() -> None:
    model = StudioModel()
    model.put("timeline", TIMELINE)
    assert model.timeline == TIMELINE
    assert model.spec() == {"timeline": TIMELINE}
    assert model.job().timeline is not None
    model.undo()
    assert model.timeline is None
    with pytest.raises(UsageError):
        model.put("timeline", {"tracks": [{"parameter": "nothing", "keys": [{"at": 0, "value": 1}]}]})


def test_a_daemon_teaches_what_its_settings_make() -> None:
    model = StudioModel("photo.jpg")
    model.put("camera.zoom", 2)
    spec = JobSpec(photo="/there/photo.jpg").with_(camera={"relief": 0.7, "zoom": 3}, motion={"strength": 0.5})
    model.learn(spec.model_dump(mode="json"))
    assert model.get("camera.zoom") == 2
    assert model.get("camera.relief") is None
    assert model.effective("camera.relief") == 0.7
    assert model.get("motion.strength") == 0.5
    assert model.changed == {"camera.zoom"}


def test_two_slots_keep_their_own_changes() -> None:
    model = StudioModel()
    model.put("camera.zoom", 2)
    assert model.switch() == "B"
    assert model.get("camera.zoom") == 2
    model.put("camera.zoom", 3)
    assert model.switch() == "A"
    assert model.get("camera.zoom") == 2
    model.switch()
    assert model.get("camera.zoom") == 3
    model.store("A")
    model.switch()
    assert model.get("camera.zoom") == 3


def test_listeners_hear_of_changes_and_only_of_those() -> None:
    model, heard = StudioModel(), []
    stop = model.subscribe(lambda: heard.append(model.get("camera.zoom")))
    model.put("camera.zoom", 2)
    model.put("camera.zoom", 2)
    model.undo()
    stop()
    model.put("camera.zoom", 3)
    assert heard == [2.0, 1.0]


def test_a_job_of_the_queue_can_be_opened() -> None:
    job = JobSpec(photo="a.jpg").with_(camera={"zoom": 2.0}, outputs=[{"path": "/out/a.mp4", "fps": 25.0}])
    model = StudioModel()
    model.open("b.jpg", library.resolve(job).to_dict() | {"timeline": TIMELINE})
    assert model.photo == "b.jpg"
    made = model.job()
    assert (made.camera.zoom, made.outputs[0].fps, made.outputs[0].path) == (2.0, 25.0, None)
    assert model.timeline == TIMELINE
    model.undo()
    assert model.changed == frozenset()


def test_a_summary_says_what_would_be_made() -> None:
    model = StudioModel()
    assert model.summary() == "1080p, 5 s at 30 frames/s, mp4"
    model.put_many({"output.format": "gif", "output.loops": 2, "output.size": "story"})
    assert model.summary() == "story, 5 s x 2 at 30 frames/s, gif"


# -- presets -------------------------------------------------------------------------------------------------------


def test_a_saved_preset_is_the_same_look(own_folder: Path) -> None:
    model = dramatic(StudioModel("photo.jpg"))
    model.put_many({"camera.zoom": 1.5, "effects.fog.density": 2, "output.fps": 25, "seed": 5})
    model.put("timeline", TIMELINE)
    path = save_preset("mine", model.preset_parts(), "my look")
    assert path == own_folder / "mine.toml"
    loaded = load_preset("mine")
    assert loaded.description == "my look"
    again = StudioModel("photo.jpg")
    again.choose("mine", loaded.parts)
    model.put("seed", 0)  # no preset says a seed
    assert again.job() == model.job().model_copy(update={"preset": "mine"})
    assert tomllib.loads(preset_toml(model.preset_parts(), "my look")) == tomllib.loads(path.read_text())


def test_a_preset_is_not_replaced_unasked_and_keeps_its_comments(own_folder: Path) -> None:
    own_folder.mkdir(parents=True)
    file = own_folder / "mine.toml"
    file.write_text(
        '# A look of mine\ndescription = "old"\n\n[camera]\n# closer\nzoom = 1.1 # a little\nfov = 40.0\n\n'
        "[effects.fog]\ndensity = 1.0 # thin\n"
    )
    model = StudioModel()
    model.choose("mine", load_preset("mine").parts)
    model.put_many({"camera.zoom": 1.5, "effects.fog.start": 0.5, "effects.vignette.strength": 0.4, "seed": 3})
    with pytest.raises(OutputError, match="already"):
        save_preset("mine", model.preset_parts())
    parts = model.preset_parts()
    del parts["camera"]["fov"]
    save_preset("mine", parts, "new", overwrite=True)
    text = file.read_text()
    assert text.startswith('# A look of mine\ndescription = "new"\n')
    assert "# closer\nzoom = 1.5 # a little\n" in text
    assert "density = 1.0 # thin\nstart = 0.5\n" in text
    assert "fov" not in text
    assert tomllib.loads(text)["effects"] == {
        "fog": {"density": 1.0, "start": 0.5},
        "vignette": {"strength": 0.4},
    }


@pytest.mark.parametrize("name", ["", "../evil", "a/b", ".hidden", "x" * 65, "ein ü"])
def test_names_stay_in_their_folder(name: str) -> None:
    with pytest.raises(UsageError):
        save_preset(name, {})
