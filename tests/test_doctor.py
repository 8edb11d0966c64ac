"""The doctor: what it says where things work, and what it says when they are broken on purpose."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from packaging.requirements import Requirement

from depthflow import paths
from depthflow.doctor import CHECKS, Check, depth, graphics, machine, run_checks, user
from depthflow.doctor.check import Answer, ask
from depthflow.errors import UnknownNameError
from depthflow.settings import set_value

ROOT = Path(__file__).parent.parent
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals and scripts")


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's settings, caches or models; the processes that the doctor starts inherit it."""
    for name in [name for name in os.environ if name.startswith("DEPTHFLOW_")]:
        if name not in ("DEPTHFLOW_FFMPEG", "DEPTHFLOW_RENDER_GL_DEVICE"):
            monkeypatch.delenv(name)
    for name in ("config", "cache", "models"):
        monkeypatch.setenv(f"DEPTHFLOW_{name.upper()}_DIR", str(tmp_path / name))


def one(name: str) -> Check:
    (check,) = run_checks([name])
    return check


def broken(check: Check, status: str = "fail") -> Check:
    """It is broken as expected, and says so in one line with a way out."""
    assert check.status == status, check
    assert check.problem
    assert check.mend
    assert "\n" not in check.problem + check.mend
    return check


class TestAll:
    def test_every_check_answers_in_the_agreed_shape(self) -> None:
        checks = run_checks()
        assert [check.name for check in checks] == list(CHECKS)
        for check in checks:
            assert check.status in ("ok", "warn", "fail")
            assert (check.status == "ok") == (check.problem == "") == (check.mend == ""), check
            json.dumps(check.facts, allow_nan=False)
            for name, fact in check.facts.items():
                assert isinstance(fact, str | int | float | bool | list), (check.name, name)

    def test_only_some_in_the_usual_order(self) -> None:
        assert [check.name for check in run_checks(["disk", "python"])] == ["python", "disk"]

    def test_an_unknown_name(self) -> None:
        with pytest.raises(UnknownNameError) as caught:
            run_checks(["ffmepg"])
        assert "did you mean 'ffmpeg'?" in caught.value.hint

    def test_a_check_that_breaks_spoils_no_other(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def bad() -> Check:
            raise ZeroDivisionError("by zero")

        monkeypatch.setitem(CHECKS, "disk", bad)
        checks = run_checks(["python", "disk"])
        assert checks[0].status == "ok"
        assert "ZeroDivisionError: by zero" in broken(checks[1]).problem


class TestAsk:
    def test_json_lines_among_the_drivers_noise(self) -> None:
        answer = ask(["-c", "print('libGL: hello'); print('{\"a\": 1}'); print('{oops'); print('bye')"], 20)
        assert answer == Answer(({"a": 1},))

    @POSIX
    def test_a_crash_is_named_and_what_was_said_before_is_kept(self) -> None:
        code = 'import os, signal; print(\'{"trying": "cuda"}\', flush=True); os.kill(os.getpid(), signal.SIGSEGV)'
        assert ask(["-c", code], 20) == Answer(({"trying": "cuda"},), "crashed (SIGSEGV)")

    def test_a_hang_ends(self) -> None:
        code = 'import time; print(\'{"trying": "cuda"}\', flush=True); time.sleep(60)'
        answer = ask(["-c", code], 2)
        assert answer == Answer(({"trying": "cuda"},), "did not answer within 2 s")

    def test_the_last_line_of_the_error_stream(self) -> None:
        assert ask(["-c", "raise SystemExit('no luck\\n')"], 20).log == "no luck"


class TestMachine:
    def test_python(self) -> None:
        facts = one("python").facts
        assert facts["version"] == ".".join(map(str, sys.version_info[:3]))
        assert facts["bits"] == 64

    def test_packages_are_those_of_the_project_file(self) -> None:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        dependencies = map(Requirement, project["dependencies"])
        wanted = {needed.name for needed in dependencies if needed.marker is None or needed.marker.evaluate()}
        assert set(machine.PACKAGES) == wanted

    def test_a_missing_package(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(machine, "PACKAGES", ("numpy", "no-such-package"))
        check = broken(one("packages"))
        assert "no-such-package" in check.problem
        assert check.mend == "pip install no-such-package"
        assert "numpy" in check.facts

    @pytest.mark.skipif(not hasattr(os, "sysconf"), reason="POSIX numbers to compare with")
    def test_cores_and_memory_are_those_of_the_machine(self) -> None:
        facts = one("system").facts
        physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
        assert 0 < float(str(facts["memory_gb"])) <= physical * 1.1
        assert float(str(facts["free_memory_gb"])) <= float(str(facts["memory_gb"]))
        assert 1 <= int(str(facts["usable_cores"])) <= int(str(facts["cores"])) == os.cpu_count()

    def test_little_memory(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(machine, "memory_gb", lambda: (1.0, 0.5))
        assert "1.0 GB" in broken(one("system"), "warn").problem

    def test_gpus_by_the_traces_of_their_drivers(self, tmp_path: Path) -> None:
        assert machine.gpus(tmp_path) == []
        (tmp_path / "dev").mkdir()
        (tmp_path / "dev/nvidiactl").touch()
        assert machine.gpus(tmp_path) == []
        (tmp_path / "dev/nvidia0").touch()
        for node, vendor in (("renderD128", "0x1002\n"), ("renderD129", "0x1a03\n"), ("renderD130", "0x10de\n")):
            device = tmp_path / "sys/class/drm" / node / "device"
            device.mkdir(parents=True)
            (device / "vendor").write_text(vendor)
        assert machine.gpus(tmp_path) == ["NVIDIA", "AMD (renderD128)"]

    def test_container_by_its_marks(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for variable in ("container", "KUBERNETES_SERVICE_HOST"):
            monkeypatch.delenv(variable, raising=False)
        assert not machine.in_container(tmp_path)
        (tmp_path / ".dockerenv").touch()
        assert machine.in_container(tmp_path)
        monkeypatch.setenv("container", "podman")
        assert machine.in_container(tmp_path / "elsewhere")


LLVMPIPE = {"backend": "egl", "renderer": "llvmpipe (LLVM 15)", "vendor": "Mesa", "version": "4.5", "software": True}


class TestGL:
    @pytest.mark.gl
    def test_says_which_renderer_draws(self) -> None:
        check = one("gl")
        assert check.status in ("ok", "warn"), check
        assert check.facts.keys() >= {"backend", "renderer", "vendor", "version", "software", "gpus"}

    @pytest.mark.skipif(sys.platform != "linux", reason="EGL's vendor folders are Linux's")
    def test_no_driver(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("__EGL_VENDOR_LIBRARY_DIRS", "/nonexistent")
        monkeypatch.setenv("DEPTHFLOW_RENDER_GL_BACKEND", "egl")
        check = broken(one("gl"))
        assert "no OpenGL context" in check.problem
        assert "egl" in check.problem
        assert "install" in check.mend
        assert check.facts.keys() == {"gpus", "devices"}
        assert check.facts["devices"] == []

    @pytest.mark.skipif(sys.platform != "linux", reason="devices can be chosen with EGL only")
    def test_a_device_that_is_not_there_is_mended_by_the_setting(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DEPTHFLOW_RENDER_GL_BACKEND", "egl")
        monkeypatch.setenv("DEPTHFLOW_RENDER_GL_DEVICE", "31")
        assert "no GL device 31" in broken(one("gl")).problem
        assert broken(one("gl")).mend.endswith("or unset DEPTHFLOW_RENDER_GL_DEVICE")
        monkeypatch.delenv("DEPTHFLOW_RENDER_GL_DEVICE")
        monkeypatch.setenv("DEPTHFLOW_CONFIG_DIR", str(tmp_path))
        set_value("render.gl_device", "31")
        mend = broken(one("gl")).mend
        assert mend.startswith("render.gl_device is 31: ")
        assert mend.endswith("or depthflow config unset render.gl_device")

    @POSIX
    def test_a_driver_that_crashes(self) -> None:
        answer = ask(["-c", "import os; os.abort()"], 20)
        check = broken(graphics.judge(answer, [], container=False))
        assert check.problem.startswith("the OpenGL driver crashed (SIGABRT)")

    def test_a_driver_that_hangs(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(graphics, "TIMEOUT_S", 0.01)
        assert "did not answer within 0.01 s" in broken(one("gl")).problem

    def test_a_process_that_says_nothing(self) -> None:
        check = broken(graphics.judge(Answer((), "", "ImportError: vispy"), [], container=False))
        assert "ImportError: vispy" in check.problem

    def test_software_without_a_gpu_is_all_there_can_be(self) -> None:
        check = graphics.judge(Answer((LLVMPIPE,)), [], container=False)
        assert (check.status, check.facts["software"]) == ("ok", True)

    @pytest.mark.parametrize(
        ("gpus", "container", "mend"),
        [
            (["NVIDIA"], True, "NVIDIA_DRIVER_CAPABILITIES=graphics"),
            (["NVIDIA"], False, "10_nvidia.json"),
        ],
    )
    def test_software_beside_a_gpu(
        self, gpus: list[str], container: bool, mend: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("LIBGL_ALWAYS_SOFTWARE", raising=False)
        check = broken(graphics.judge(Answer((LLVMPIPE,)), gpus, container=container), "warn")
        assert "NVIDIA" in check.problem
        assert "llvmpipe" in check.problem
        assert mend in check.mend

    def test_software_that_was_asked_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("LIBGL_ALWAYS_SOFTWARE", "1")
        check = graphics.judge(Answer((LLVMPIPE,)), ["AMD (renderD128)"], container=False)
        assert broken(check, "warn").mend == "unset LIBGL_ALWAYS_SOFTWARE"

    def test_software_on_windows(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("LIBGL_ALWAYS_SOFTWARE", raising=False)
        monkeypatch.setattr(graphics.sys, "platform", "win32")
        said = {**LLVMPIPE, "backend": "glfw", "renderer": "GDI Generic"}
        check = broken(graphics.judge(Answer((said,)), ["NVIDIA"], container=False), "warn")
        assert "remote desktop" in check.mend

    def test_a_back_end_that_is_only_second_best(self) -> None:
        said = {**LLVMPIPE, "backend": "osmesa", "passed_over": "egl: EGL finds no driver"}
        check = broken(graphics.judge(Answer((said,)), [], container=False), "warn")
        assert "OpenGL runs by osmesa" in check.problem
        assert "EGL finds no driver" in check.problem

    def test_the_device_of_the_settings(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DEPTHFLOW_RENDER_GL_DEVICE", "31")
        check = broken(one("gl"))
        assert "there is no GL device 31" in check.problem
        assert check.facts["devices"], "the ones that there are"

    def test_a_gpu_that_draws(self) -> None:
        said = {**LLVMPIPE, "renderer": "NVIDIA H200/PCIe/SSE2", "software": False}
        assert graphics.judge(Answer((said,)), ["NVIDIA"], container=True).status == "ok"


def onnx_answer(trouble: str = "", **errors: str) -> Answer:
    lines: list[dict[str, Any]] = [{"version": "1.24", "available": list(errors)}]
    for provider, error in errors.items():
        lines.append({"trying": provider})
        lines.append({"tried": provider, "error": error})
    return Answer(tuple(lines), trouble)


class TestOnnx:
    def test_runs_a_network_here(self) -> None:
        check = one("onnx")
        assert check.status in ("ok", "warn"), check
        assert "cpu" in check.facts["working"]  # type: ignore[operator]
        assert check.facts["runs_on"] == check.facts["working"][0]  # type: ignore[index]
        assert len(check.facts["packages"]) >= 1  # type: ignore[arg-type]

    @pytest.fixture
    def fake_module(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
        """Puts another `onnxruntime` before the real one, for the processes that the doctor starts."""

        def fake_module(code: str) -> None:
            (tmp_path / "fake").mkdir()
            (tmp_path / "fake" / "onnxruntime.py").write_text(code)
            old = os.environ.get("PYTHONPATH", "")
            monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(tmp_path / "fake"), old))))

        return fake_module

    def test_not_installed(self, fake_module: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> None:
        fake_module("raise ModuleNotFoundError(\"No module named 'onnxruntime'\", name='onnxruntime')")
        monkeypatch.setattr(depth, "onnx_packages", list)
        check = broken(one("onnx"))
        assert check.problem == "ONNX Runtime is not installed"
        assert "pip install 'depthflow-studio[cpu]'" in check.mend

    @POSIX
    def test_its_libraries_crash(self, fake_module: Callable[[str], None]) -> None:
        fake_module("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
        assert broken(one("onnx")).problem == "ONNX Runtime crashed (SIGSEGV)"

    def test_wrong_numbers_are_no_success(self, fake_module: Callable[[str], None]) -> None:
        fake_module(
            "import numpy as np\n"
            "__version__ = '9.9'\n"
            "get_available_providers = lambda: ['CPUExecutionProvider']\n"
            "set_default_logger_severity = lambda level: None\n"
            "class SessionOptions:\n"
            "    add_session_config_entry = lambda self, key, value: None\n"
            "class InferenceSession:\n"
            "    __init__ = lambda self, *args, **kwargs: None\n"
            "    get_providers = lambda self: ['CPUExecutionProvider']\n"
            "    run = lambda self, names, feeds: [np.zeros((1, 1, 8, 8), np.float32)]\n"
        )
        check = broken(one("onnx"))
        assert "wrong numbers" in check.problem
        assert check.facts["version"] == "9.9"

    def test_two_packages_over_each_other(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, module in (("onnxruntime_gpu", "onnxruntime"), ("onnxruntime_extensions", "onnxruntime_extensions")):
            info = tmp_path / f"{name}-1.2.3.dist-info"
            info.mkdir()
            (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2.3\n")
            (info / "RECORD").write_text(f"{module}/__init__.py,,\n")
            # Newer Pythons tell of files that are there only.
            (tmp_path / module).mkdir()
            (tmp_path / module / "__init__.py").touch()
        monkeypatch.syspath_prepend(str(tmp_path))
        assert "onnxruntime-gpu 1.2.3" in depth.onnx_packages()
        assert "onnxruntime-extensions 1.2.3" not in depth.onnx_packages()
        monkeypatch.setattr(machine, "gpus", list)
        check = broken(one("onnx"), "warn")
        assert "installed over each other" in check.problem
        assert check.mend.startswith("pip uninstall -y onnxruntime onnxruntime-gpu && pip install ")

    def test_a_gpu_that_does_not_start(self) -> None:
        check = depth.judge(onnx_answer(cuda="no cuDNN", cpu=""), ["onnxruntime-gpu 1.24"], ["NVIDIA"])
        assert "no cuDNN" in broken(check, "warn").problem
        assert check.facts["runs_on"] == "cpu"
        assert check.facts["refused"] == ["cuda: no cuDNN"]

    def test_the_gpu_package_without_a_gpu_is_no_fault(self) -> None:
        check = depth.judge(onnx_answer(cuda="no device", cpu=""), ["onnxruntime-gpu 1.24"], [])
        assert (check.status, check.facts["runs_on"]) == ("ok", "cpu")

    def test_the_cpu_package_beside_a_gpu(self) -> None:
        check = broken(depth.judge(onnx_answer(cpu=""), ["onnxruntime 1.24"], ["NVIDIA"]), "warn")
        assert check.mend == "pip uninstall -y onnxruntime && pip install 'depthflow-studio[gpu]'"

    def test_a_provider_that_takes_the_process_with_it(self) -> None:
        lines = ({"version": "1.24", "available": ["cuda", "cpu"]}, {"trying": "cuda"})
        check = broken(depth.judge(Answer(lines, "crashed (SIGSEGV)"), ["onnxruntime-gpu 1.24"], ["NVIDIA"]))
        assert check.problem == "ONNX Runtime crashed (SIGSEGV) while it tried cuda"
        assert "depth.provider cpu" in check.mend


class TestModels:
    def test_the_built_in_one_is_whole(self) -> None:
        check = one("models")
        assert check.status == "ok", check
        assert "builtin" in check.facts["installed"]  # type: ignore[operator]

    def test_a_damaged_built_in_one(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        root = tmp_path / "data"
        shutil.copytree(paths.data("config"), root / "config")
        (root / "models").mkdir()
        digest = "0" * 64
        text = f"schema = 1\n[models.builtin]\nsource = 'builtin'\nfile = 'builtin.onnx'\nsha256 = '{digest}'\n"
        (root / "models" / "registry.toml").write_text(text)
        monkeypatch.setattr(paths, "data_root", lambda: root)
        assert "missing" in broken(one("models")).problem
        (root / "models" / "builtin.onnx").write_bytes(b"half a network")
        check = broken(one("models"))
        assert "SHA-256 differs" in check.problem
        assert check.facts["installed"] == []

    def test_a_damaged_one_of_the_user(self, tmp_path: Path) -> None:
        (tmp_path / "config").mkdir()
        (tmp_path / "config" / "mine.onnx").write_bytes(b"half a network")
        (tmp_path / "config" / "models.toml").write_text(
            f"schema = 1\n[models.mine]\nsource = 'local'\nfile = 'mine.onnx'\nsha256 = '{'0' * 64}'\n"
        )
        check = broken(one("models"), "warn")
        assert check.facts["installed"] == ["builtin"]
        assert "mine" in check.facts["damaged"][0]  # type: ignore[index]

    def test_a_registry_that_cannot_be_read(self, tmp_path: Path) -> None:
        (tmp_path / "config").mkdir()
        (tmp_path / "config" / "models.toml").write_text("[")
        check = broken(one("models"))
        assert "models.toml" in check.problem
        assert check.facts["registry"] == str(tmp_path / "config" / "models.toml")

    def test_one_that_is_not_here_while_the_built_in_may_stand_in(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DEPTHFLOW_DEPTH_MODEL", "midas-small")
        assert "depthflow models pull midas-small" in broken(one("models")).mend
        monkeypatch.setenv("DEPTHFLOW_DEPTH_FALLBACK", "builtin")
        assert "used 'builtin'" in broken(one("models"), "warn").problem

    def test_the_model_of_the_settings_must_be_there(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DEPTHFLOW_DEPTH_MODEL", "bultin")
        check = broken(one("models"))
        assert "depth.model" in check.problem
        assert "did you mean 'builtin'?" in check.mend


class TestFFmpeg:
    def test_says_whose_it_is_and_what_encodes(self) -> None:
        check = one("ffmpeg")
        assert check.status in ("ok", "warn"), check
        assert Path(str(check.facts["path"])).is_file()
        assert str(check.facts["version"])[0].isdigit() or check.facts["version"]
        assert check.facts["source"] in ("system", "imageio-ffmpeg", "DEPTHFLOW_FFMPEG", "IMAGEIO_FFMPEG_EXE")
        assert {"libx264", "libopenh264"} & set(check.facts["encoders"])  # type: ignore[arg-type]

    def test_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("DEPTHFLOW_FFMPEG", raising=False)
        monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", "/nonexistent/ffmpeg")
        check = broken(one("ffmpeg"))
        assert "IMAGEIO_FFMPEG_EXE" in check.problem
        assert "/nonexistent/ffmpeg" in check.problem
        assert check.mend.startswith("unset IMAGEIO_FFMPEG_EXE, ")
        assert check.facts["path"] == ""

    @POSIX
    @pytest.mark.parametrize(
        ("script", "problem"),
        [
            ("exit 1", "does not run"),
            ("case $1 in -version) echo ffmpeg version 1.2 x;; *) echo ------;; esac", "H.264"),
        ],
    )
    def test_one_that_is_of_no_use(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, problem: str
    ) -> None:
        program = tmp_path / "ffmpeg"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setenv("DEPTHFLOW_FFMPEG", str(program))
        assert problem in broken(one("ffmpeg")).problem


class TestDisk:
    class Usage(NamedTuple):
        total: int
        used: int
        free: int

    def test_room_in_all_folders(self, tmp_path: Path) -> None:
        check = one("disk")
        assert check.facts["cache_folder"] == str(tmp_path / "cache")
        expected = shutil.disk_usage(tmp_path).free / 1e9
        assert float(str(check.facts["cache_free_gb"])) == pytest.approx(expected, abs=0.5)
        assert not (tmp_path / "cache").exists()

    @pytest.mark.parametrize(("free", "status"), [(1.5e9, "warn"), (0.05e9, "fail")])
    def test_little_room(self, monkeypatch: pytest.MonkeyPatch, free: float, status: str) -> None:
        monkeypatch.setattr(user.shutil, "disk_usage", lambda _: self.Usage(10**10, 0, int(free)))
        check = broken(one("disk"), status)
        assert f"{free / 1e9:.1f} GB are free" in check.problem
        assert check.mend == "make room on that disk"

    def test_a_folder_that_cannot_be(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "file").touch()
        monkeypatch.setenv("DEPTHFLOW_CACHE_DIR", str(tmp_path / "file" / "cache"))
        check = broken(one("disk"), "warn")
        assert str(tmp_path / "file") in check.problem
        assert "DEPTHFLOW_CACHE_DIR" in check.mend


class TestSettings:
    def test_a_valid_file(self, tmp_path: Path) -> None:
        (tmp_path / "config").mkdir()
        file = tmp_path / "config" / "depthflow.toml"
        file.write_text("[output]\nfps = 24\n")
        check = one("settings")
        assert check.status == "ok"
        assert check.facts == {"file": str(file), "exists": True, "changed": [f"output.fps = 24.0 ({file})"]}

    def test_a_broken_file_fails_here_and_nowhere_else(self, tmp_path: Path) -> None:
        (tmp_path / "config").mkdir()
        (tmp_path / "config" / "depthflow.toml").write_text("[output]\nfpss = 24\n")
        settings = broken(one("settings"))
        assert "output.fpss" in settings.problem
        assert "did you mean 'fps'?" in settings.mend
        assert "depthflow config edit" in settings.mend
        assert one("models").status == "ok"

    def test_a_misspelt_variable(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DEPTHFLOW_OUTPTU_FPS", "24")
        assert "DEPTHFLOW_OUTPUT_FPS" in broken(one("settings"), "warn").problem


class TestCommand:
    @staticmethod
    def run(*args: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", "from depthflow.cli import main; main()", "doctor", *args],
            env={**os.environ, "PYTHONUTF8": "1", **environ},
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )

    def test_json_has_stable_keys(self) -> None:
        done = self.run("--json", "--only", "python", "--only", "disk")
        assert done.returncode == 0, done.stderr
        report = json.loads(done.stdout)
        assert list(report) == ["version", "ok", "checks"]
        assert report["ok"] is True
        assert [check["name"] for check in report["checks"]] == ["python", "disk"]
        for check in report["checks"]:
            assert list(check) == ["name", "status", "facts", "problem", "mend"]

    def test_a_failure_ends_with_4_and_says_how_to_mend(self) -> None:
        environ = {"IMAGEIO_FFMPEG_EXE": "/nonexistent/ffmpeg", "DEPTHFLOW_FFMPEG": ""}
        done = self.run("--only", "python", "--only", "ffmpeg", **environ)
        assert done.returncode == 4
        lines = done.stdout.splitlines()
        assert "ok   python" in lines
        assert "fail ffmpeg" in lines
        assert lines[-1] == "broken: ffmpeg"
        assert any(line.startswith("     mend: unset IMAGEIO_FFMPEG_EXE, ") for line in lines)
        report = json.loads(self.run("--json", "--only", "ffmpeg", **environ).stdout)
        assert report["ok"] is False
        assert report["checks"][0]["mend"]

    def test_a_warning_is_no_failure(self) -> None:
        done = self.run("--only", "settings", DEPTHFLOW_OUTPTU_FPS="1")
        assert done.returncode == 0
        assert "warn settings" in done.stdout

    def test_an_unknown_check_is_wrong_usage(self) -> None:
        done = self.run("--only", "gpu")
        assert done.returncode == 2
        assert "unknown check 'gpu'" in done.stderr

    def test_the_help_names_every_check(self) -> None:
        text = " ".join(self.run("--help", COLUMNS="200").stdout.split())
        for name in CHECKS:
            assert name in text
