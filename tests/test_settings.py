"""Settings: what wins over what, what is refused and how it is said, and what a written file looks like."""

from __future__ import annotations

import os
import re
import stat
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from depthflow import paths
from depthflow.errors import OutputError, UnknownNameError, UsageError
from depthflow.images_decode import MAX_BYTES, MAX_PIXELS
from depthflow.jobs import spec
from depthflow.jobs.spec import JobSpec
from depthflow.settings import (
    KEYS,
    VARIABLES,
    Settings,
    job_base,
    json_schema,
    load_settings,
    set_value,
    unset_value,
)

SHIPPED = paths.data("config", "depthflow.toml")


@pytest.fixture
def user_file(tmp_path: Path) -> Path:
    return tmp_path / "user" / "depthflow.toml"


@pytest.fixture
def write(user_file: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        user_file.parent.mkdir(exist_ok=True)
        user_file.write_text(text, encoding="utf-8")
        return user_file

    return write


def refused(file: Path, **environ: str) -> UsageError:
    with pytest.raises(UsageError) as caught:
        load_settings(user_file=file, environ=environ)
    assert "\n" not in caught.value.message
    assert "\n" not in caught.value.hint
    return caught.value


class TestTheShippedFile:
    def test_agrees_with_the_defaults_of_a_job_spec(self, user_file: Path) -> None:
        settings = load_settings(user_file=user_file, environ={}).settings
        assert JobSpec.parse({"photo": "a.jpg", **job_base(settings)}) == JobSpec(photo="a.jpg")

    def test_agrees_with_the_limits_of_photos(self, user_file: Path) -> None:
        limits = load_settings(user_file=user_file, environ={}).settings.limits
        assert (limits.max_photo_bytes, limits.max_photo_pixels) == (MAX_BYTES, MAX_PIXELS)

    def test_holds_every_key_once_in_the_order_of_the_model(self) -> None:
        table = tomllib.loads(SHIPPED.read_text(encoding="utf-8"))
        assert tuple(f"{section}.{key}" for section, part in table.items() for key in part) == KEYS

    def test_comments_every_key(self) -> None:
        lines = SHIPPED.read_text(encoding="utf-8").splitlines()
        assert [line for line in lines if "=" in line and "[" not in line and "#" not in line] == []

    def test_names_every_choice_of_every_key(self) -> None:
        """A choice that is added to the spec must not be missing in the comment."""
        text = SHIPPED.read_text(encoding="utf-8")
        schema = json_schema()
        for section in schema["$defs"].values():
            for node in section["properties"].values():
                for choice in node.get("enum", ()):
                    assert re.search(rf"\b{choice}\b", text), choice

    @pytest.mark.parametrize(
        ("section", "part"),
        [
            ("output", spec.OutputSpec),
            ("motion", spec.MotionSpec),
            ("camera", spec.CameraSpec),
            ("depth", spec.DepthSpec),
            ("render", spec.RenderSpec),
        ],
    )
    def test_every_field_allows_what_the_spec_allows(self, section: str, part: type[spec.Part]) -> None:
        limits = ("type", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "maxLength", "enum")
        schema = Settings.model_json_schema()
        ours = schema["$defs"][schema["properties"][section]["$ref"].rsplit("/", 1)[-1]]["properties"]
        theirs = part.model_json_schema()["properties"]
        for key, field in ours.items():
            node = field
            other = next((n for n in theirs[key].get("anyOf", ()) if n["type"] != "null"), theirs[key])
            expected = {name: other[name] for name in limits if name in other}
            if key == "gl_device":
                auto, node = node["anyOf"]
                assert auto["const"] == "auto"
            if key == "format":
                expected["enum"] = ["auto", *expected["enum"]]
            assert {name: node[name] for name in limits if name in node} == expected, key
            assert field["description"], key


class TestPrecedence:
    def test_default_then_file_then_environment(self, write: Callable[[str], Path]) -> None:
        file = write("[output]\nfps = 24\nsize = '720p'\n")
        loaded = load_settings(user_file=file, environ={"DEPTHFLOW_OUTPUT_FPS": "60"})
        assert (loaded.value("output.fps"), loaded.origin["output.fps"]) == (60.0, "DEPTHFLOW_OUTPUT_FPS")
        assert (loaded.value("output.size"), loaded.origin["output.size"]) == ("720p", str(file))
        assert (loaded.value("output.quality"), loaded.origin["output.quality"]) == (75, "default")
        assert set(loaded.origin) == set(KEYS)

    def test_the_default_places_are_the_users_folder_and_the_environment(
        self, write: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DEPTHFLOW_CONFIG_DIR", str(write("[camera]\nfov = 40\n").parent))
        monkeypatch.setenv("DEPTHFLOW_CAMERA_ZOOM", "2")
        camera = load_settings().settings.camera
        assert (camera.fov, camera.zoom, camera.focus) == (40.0, 2.0, 0.35)

    @pytest.mark.parametrize(
        ("variable", "text", "value"),
        [
            ("DEPTHFLOW_OUTPUT_SIZE", "1920x1080", "1920x1080"),
            ("DEPTHFLOW_OUTPUT_SIZE", '"4K"', "4k"),
            ("DEPTHFLOW_OUTPUT_OVERWRITE", "true", True),
            ("DEPTHFLOW_OUTPUT_OVERWRITE", "1", True),
            ("DEPTHFLOW_OUTPUT_ENCODER_PRESET", "8", "8"),
            ("DEPTHFLOW_MOTION_NAME", "2026-11-22", "2026-11-22"),
            ("DEPTHFLOW_DEPTH_MODEL", r"C:\nets\depth.onnx", r"C:\nets\depth.onnx"),
            ("DEPTHFLOW_LIMITS_MAX_PHOTO_BYTES", "1_000_000", 1_000_000),
            ("DEPTHFLOW_OUTPUT_FPS", "", 30.0),
        ],
    )
    def test_a_variable_is_a_toml_value_or_a_bare_string(
        self, user_file: Path, variable: str, text: str, value: Any
    ) -> None:
        loaded = load_settings(user_file=user_file, environ={variable: text})
        got = loaded.value(VARIABLES[variable])
        assert (got, type(got)) == (value, type(value))

    def test_a_job_gets_the_values(self, write: Callable[[str], Path]) -> None:
        file = write("[output]\nformat = 'gif'\nencoder_preset = 'slow'\n[motion]\nname = 'dolly'\nstrength = -2\n")
        base = job_base(load_settings(user_file=file, environ={}).settings)
        job = JobSpec.parse({"photo": "a.jpg", **base})
        assert (job.outputs[0].format, job.outputs[0].encoder_preset) == ("gif", "slow")
        assert (job.motion.name, job.motion.strength) == ("dolly", -2)

    def test_auto_means_none_in_a_job(self, user_file: Path) -> None:
        base = job_base(load_settings(user_file=user_file, environ={}).settings)
        assert base["outputs"][0].keys() & {"format", "encoder_preset"} == set()
        assert "gl_device" not in base["render"]

    def test_the_gpu_by_its_number(self, write: Callable[[str], Path]) -> None:
        file = write("[render]\ngl_device = 1\n")
        job = JobSpec.parse({"photo": "a.jpg", **job_base(load_settings(user_file=file, environ={}).settings)})
        assert job.render.gl_device == 1
        other = load_settings(user_file=file, environ={"DEPTHFLOW_RENDER_GL_DEVICE": "0"}).settings
        assert other.render.gl_device == 0
        for text in ("-1", "32", "nvidia"):
            error = refused(file, DEPTHFLOW_RENDER_GL_DEVICE=text)
            assert "DEPTHFLOW_RENDER_GL_DEVICE" in error.message
            assert "gl_device" in error.message

    def test_settings_cannot_be_changed(self, user_file: Path) -> None:
        settings = load_settings(user_file=user_file, environ={}).settings
        with pytest.raises(ValueError, match="frozen"):
            settings.output.fps = 1  # type: ignore[misc]


class TestRefusals:
    def test_a_misspelt_key(self, write: Callable[[str], Path]) -> None:
        file = write("[output]\nfpss = 60\n")
        error = refused(file)
        assert str(file) in error.message
        assert "output.fpss: unknown key" in error.message
        assert "did you mean 'fps'?" in error.hint
        assert error.exit_code == 2

    def test_a_misspelt_section(self, write: Callable[[str], Path]) -> None:
        assert "did you mean 'output'?" in refused(write("[outputs]\nfps = 60\n")).hint

    def test_a_value_where_a_section_belongs(self, write: Callable[[str], Path]) -> None:
        error = refused(write("output = 3\n"))
        assert "output: a table with keys is expected (got 3)" in error.message
        assert "fps" in error.hint

    def test_a_value_out_of_range_names_the_range(self, user_file: Path) -> None:
        error = refused(user_file, DEPTHFLOW_OUTPUT_FPS="9999")
        assert error.message.startswith("DEPTHFLOW_OUTPUT_FPS: output.fps:")
        assert "9999" in error.message
        assert error.hint == "allowed: above 0 and at most 480"

    def test_a_wrong_choice_names_the_choices_and_the_nearest(self, user_file: Path) -> None:
        error = refused(user_file, DEPTHFLOW_RENDER_EDGE="miror")
        assert "render.edge" in error.message
        assert error.hint == "did you mean 'mirror'? allowed: zoom, mirror, clamp"

    def test_a_wrong_size_says_what_a_size_is(self, write: Callable[[str], Path]) -> None:
        assert "1920x1080" in refused(write("[output]\nsize = 'big'\n")).hint

    @pytest.mark.parametrize("text", ["nan", "inf", "-inf", "[]", "fast", "30\nsize = '4k'"])
    def test_what_is_no_finite_number(self, user_file: Path, text: str) -> None:
        assert "output.fps" in refused(user_file, DEPTHFLOW_OUTPUT_FPS=text.strip()).message

    @pytest.mark.parametrize("sign", ["9", "["])
    def test_a_variable_that_python_does_not_read(self, user_file: Path, sign: str) -> None:
        assert "output.fps" in refused(user_file, DEPTHFLOW_OUTPUT_FPS=sign * 5000).message

    def test_the_file_is_blamed_for_its_own_mistake_only(self, write: Callable[[str], Path]) -> None:
        file = write("[output]\nfps = 24\n")
        assert refused(file, DEPTHFLOW_CAMERA_FOV="200").message.startswith("DEPTHFLOW_CAMERA_FOV")

    @pytest.mark.parametrize(
        ("content", "line"),
        [
            (b"[output]\nfps\n", 2),
            (b"[output]\n\nsize = 1080p\n", 3),
            (b'[output]\nsize = """never\nclosed\n', 3),
            (b"[output]\nfps = 3\nfps = 4\n", 3),
            (b"[motion]\nname = '\xff'\n", 2),
        ],
    )
    def test_what_is_not_toml_names_file_and_line(self, user_file: Path, content: bytes, line: int) -> None:
        user_file.parent.mkdir()
        user_file.write_bytes(content)
        assert refused(user_file).message.startswith(f"{user_file}:{line}: not ")

    @pytest.mark.parametrize("sign", ["9", "["])
    def test_what_python_does_not_read(self, write: Callable[[str], Path], sign: str) -> None:
        file = write(f"[output]\nfps = {sign * 5000}\n")
        assert refused(file).message.startswith(f"{file}: not valid TOML: ")

    def test_what_cannot_be_read(self, user_file: Path) -> None:
        user_file.mkdir(parents=True)
        assert refused(user_file).message.startswith(f"{user_file}: cannot be read: ")

    def test_a_byte_order_mark_and_windows_line_ends_are_no_mistake(self, user_file: Path) -> None:
        user_file.parent.mkdir()
        user_file.write_bytes(b"\xef\xbb\xbf[output]\r\nfps = 24\r\n")
        assert load_settings(user_file=user_file, environ={}).settings.output.fps == 24


class TestMisspeltVariables:
    def test_warn_with_the_nearest_name(self, user_file: Path) -> None:
        loaded = load_settings(user_file=user_file, environ={"DEPTHFLOW_OUTPTU_FPS": "60"})
        assert loaded.settings.output.fps == 30
        assert len(loaded.warnings) == 1
        assert "DEPTHFLOW_OUTPTU_FPS" in loaded.warnings[0]
        assert "DEPTHFLOW_OUTPUT_FPS?" in loaded.warnings[0]

    def test_a_wrong_key_of_a_known_section_warns(self, user_file: Path) -> None:
        (warning,) = load_settings(user_file=user_file, environ={"DEPTHFLOW_OUTPUT_CODEC": "x"}).warnings
        assert "DEPTHFLOW_OUTPUT_CODEC" in warning

    def test_other_programs_variables_and_our_folders_do_not_warn(self, user_file: Path) -> None:
        environ = {
            "DEPTHFLOW_CONFIG_DIR": "a",
            "DEPTHFLOW_CACHE_DIR": "b",
            "DEPTHFLOW_MODELS_DIR": "c",
            "DEPTHFLOW_TOKEN": "d",
            "HOME": "e",
        }
        assert load_settings(user_file=user_file, environ=environ).warnings == ()

    def test_a_misspelt_folder_warns(self, user_file: Path) -> None:
        (warning,) = load_settings(user_file=user_file, environ={"DEPTHFLOW_CACHE_DIRS": "x"}).warnings
        assert "DEPTHFLOW_CACHE_DIR?" in warning


class TestWriting:
    def test_makes_the_file_and_its_folder(self, user_file: Path) -> None:
        assert set_value("output.fps", "60", user_file=user_file) == 60.0
        assert tomllib.loads(user_file.read_text()) == {"output": {"fps": 60.0}}
        assert [p.name for p in user_file.parent.iterdir()] == ["depthflow.toml"]

    @pytest.mark.parametrize(
        ("key", "text", "value"),
        [
            ("output.size", "1080P", "1080p"),
            ("output.encoder_preset", "8", "8"),
            ("output.overwrite", "yes", True),
            ("motion.name", 'C:\\my "motions"\\x.toml', 'C:\\my "motions"\\x.toml'),
        ],
    )
    def test_writes_what_was_understood(self, user_file: Path, key: str, text: str, value: Any) -> None:
        assert set_value(key, text, user_file=user_file) == value
        loaded = load_settings(user_file=user_file, environ={})
        assert (loaded.value(key), loaded.origin[key]) == (value, str(user_file))

    def test_every_default_can_be_written_and_read_back(self, user_file: Path) -> None:
        before = load_settings(user_file=user_file, environ={})
        for key in KEYS:
            set_value(key, str(before.value(key)), user_file=user_file)
        after = load_settings(user_file=user_file, environ={})
        assert after.settings == before.settings
        assert set(after.origin.values()) == {str(user_file)}

    def test_comments_and_the_rest_survive(self, write: Callable[[str], Path]) -> None:
        file = write(
            "# my settings\n[output]  # the file\nsize = '4k' # for the wall # really\n\n"
            "# speed\nfps = 24\n\n[camera]\nfov = 40\n"
        )
        set_value("output.size", "720p", user_file=file)
        set_value("output.quality", "90", user_file=file)
        set_value("render.edge", "clamp", user_file=file)
        unset_value("camera.fov", user_file=file)
        assert file.read_text() == (
            '# my settings\n[output]  # the file\nsize = "720p" # for the wall # really\n\n'
            '# speed\nfps = 24\nquality = 90\n\n[camera]\n\n[render]\nedge = "clamp"\n'
        )

    @pytest.mark.parametrize(
        "text",
        [
            "output.fps = 24\noutput.size = '4k'\n",
            "output = { fps = 24, size = '4k' }\n",
            "[ output ]\n'fps' = 24\n\"size\" = '4k'",
            "[output]\nfps = 24\nsize = '''4k'''\n[motion]\nname = '''\n[output]\nfps = 1\n'''\n",
        ],
    )
    def test_unusual_spelling_comes_out_right(self, write: Callable[[str], Path], text: str) -> None:
        file = write(text)
        before = tomllib.loads(text)
        set_value("output.fps", "50", user_file=file)
        assert tomllib.loads(file.read_text()) == {**before, "output": {"fps": 50.0, "size": "4k"}}
        assert unset_value("output.fps", user_file=file)
        assert tomllib.loads(file.read_text()) == {**before, "output": {"size": "4k"}}

    def test_a_refused_value_leaves_the_file_alone(self, write: Callable[[str], Path]) -> None:
        file = write("[output]\nfps = 24 # cinema\n")
        with pytest.raises(UsageError, match=r"output\.fps"):
            set_value("output.fps", "many", user_file=file)
        assert file.read_text() == "[output]\nfps = 24 # cinema\n"

    def test_a_bad_value_can_be_mended(self, write: Callable[[str], Path]) -> None:
        file = write("[output]\nfps = -1\n")
        set_value("output.fps", "24", user_file=file)
        assert load_settings(user_file=file, environ={}).settings.output.fps == 24

    @pytest.mark.parametrize(("text", "key"), [("[output]\nfpss = 1\n", "output.fpss"), ("out = 1\n", "out")])
    def test_a_misspelt_key_can_be_taken_out(self, write: Callable[[str], Path], text: str, key: str) -> None:
        file = write(text)
        assert unset_value(key, user_file=file)
        assert load_settings(user_file=file, environ={}).settings.output.fps == 30

    def test_unknown_keys(self, user_file: Path) -> None:
        for change in (lambda: set_value("output.fsp", "1", user_file=user_file),
                       lambda: unset_value("output.fsp", user_file=user_file)):  # fmt: skip
            with pytest.raises(UnknownNameError) as caught:
                change()
            assert "did you mean 'output.fps'?" in caught.value.hint
        assert not user_file.exists()

    def test_taking_out_what_is_not_there_changes_nothing(self, user_file: Path) -> None:
        assert not unset_value("output.fps", user_file=user_file)
        assert not user_file.exists()

    def test_a_file_that_is_not_toml_is_not_overwritten(self, write: Callable[[str], Path]) -> None:
        file = write("[output\n")
        with pytest.raises(UsageError, match=":1: not valid TOML"):
            set_value("output.fps", "24", user_file=file)
        assert file.read_text() == "[output\n"

    @pytest.mark.skipif(sys.platform == "win32", reason="links and modes are POSIX's")
    def test_a_link_stays_a_link_and_the_mode_stays(self, write: Callable[[str], Path], tmp_path: Path) -> None:
        real = write("[output]\nfps = 24\n")
        real.chmod(0o640)
        link = tmp_path / "link.toml"
        link.symlink_to(real)
        set_value("output.fps", "25", user_file=link)
        assert link.is_symlink()
        assert real.read_text() == "[output]\nfps = 25.0\n"
        assert stat.S_IMODE(real.stat().st_mode) == 0o640

    def test_a_folder_that_cannot_be_made(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(OutputError) as caught:
            set_value("output.fps", "25", user_file=tmp_path / "file" / "depthflow.toml")
        assert "cannot be written" in caught.value.message
        assert "DEPTHFLOW_CONFIG_DIR" in caught.value.hint

    def test_a_disk_that_fails_leaves_the_old_file(
        self, write: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file = write("[output]\nfps = 24\n")

        def full(_: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(OutputError, match="No space left"):
            set_value("output.fps", "25", user_file=file)
        assert file.read_text() == "[output]\nfps = 24\n"
        assert [p.name for p in file.parent.iterdir()] == ["depthflow.toml"]


def test_the_schema_asks_for_no_key_and_knows_all() -> None:
    schema = json_schema()
    assert "required" not in str(schema)
    known = {
        f"{section}.{key}"
        for section, node in schema["properties"].items()
        for key in schema["$defs"][node["$ref"].rsplit("/", 1)[-1]]["properties"]
    }
    assert known == set(KEYS)
