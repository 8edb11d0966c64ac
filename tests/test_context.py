"""The OpenGL context: each back end, what is said when one fails, what comes instead, threads and forks."""

from __future__ import annotations

import ctypes.util
import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import gl_scene
import numpy as np
import pytest
from numpy.typing import NDArray
from running import SHORT, depthflow, environment, without

from depthflow.errors import GLError
from depthflow.render import devices
from depthflow.render.context import context
from depthflow.render.frames import FrameRenderer
from depthflow.scene.camera import Camera

pytestmark = [pytest.mark.gl, pytest.mark.skipif(sys.platform != "linux", reason="Linux's ways to OpenGL")]

NO_EGL = {"__EGL_VENDOR_LIBRARY_DIRS": "/nonexistent"}
"""EGL's loader without any driver, as on a system that has libEGL and neither Mesa nor a GPU maker's libraries."""

mesa = pytest.mark.skipif("Mesa" not in context().info.version, reason="another driver cannot be told to be old")
osmesa = pytest.mark.skipif(ctypes.util.find_library("OSMesa") is None, reason="libOSMesa is not installed")


def asked(*options: str, code: str = "", **env: str) -> dict[str, Any]:
    """What `python -m depthflow.render.context` says; `code` runs before it."""
    script = f"{code}\nimport runpy; runpy.run_module('depthflow.render.context', run_name='__main__')"
    command = [sys.executable, "-W", "error", "-c", script, *options]
    done = subprocess.run(command, env=environment(**env), capture_output=True, text=True, timeout=60)
    (line,) = done.stdout.splitlines()
    said: dict[str, Any] = json.loads(line)
    assert (done.returncode, done.stderr) == (4 if "error" in said else 0, "")
    return said


def drawn(tmp_path: Path, *arguments: str, **env: str) -> tuple[NDArray[np.uint8], dict[str, Any]]:
    """The scene's frame and its GLInfo, of a process of its own."""
    command = [sys.executable, gl_scene.__file__, tmp_path / "frame.npy", *arguments]
    done = subprocess.run(command, env=environment(**env), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return np.load(tmp_path / "frame.npy"), json.loads(done.stdout)


class TestFailures:
    """Each is forced in a process of its own, and its whole message is held to."""

    def said(self, backend: str, message: str, hint: str, *options: str, code: str = "", **env: str) -> None:
        said = asked("--backend", backend, *options, code=code, **env)
        assert message in said["error"]
        assert said["error"].startswith(f"no OpenGL context ({backend}: ")
        assert hint in said["hint"]

    def test_egl_without_a_driver(self) -> None:
        self.said("egl", "EGL finds no driver, neither Mesa's nor a GPU maker's", "install", **NO_EGL)

    @pytest.mark.parametrize(("names", "library"), [(("EGL",), "libEGL"), (("GL", "OpenGL"), "libGL")])
    def test_egl_without_its_library(self, names: tuple[str, ...], library: str) -> None:
        self.said("egl", f"{library} is not installed", "install", code=without(*names))

    def test_egl_whose_library_is_broken(self, tmp_path: Path) -> None:
        (tmp_path / "libEGL.so").write_bytes(b"not a library")
        self.said("egl", "libEGL cannot be loaded: ", "install", EGL_LIBRARY=str(tmp_path / "libEGL.so"))

    @mesa
    @pytest.mark.parametrize("version", ["2.1", "3.1", "3.2"])
    def test_a_driver_that_is_too_old(self, version: str) -> None:
        """Panfrost, for one, has 3.1."""
        self.said("egl", f"has {version}", "update the graphics driver", MESA_GL_VERSION_OVERRIDE=version)

    def test_a_device_that_is_not_there(self) -> None:
        count = len(devices.list_devices())
        message = f"there is no GL device 31: EGL has {count}, counted from 0"
        self.said("egl", message, "depthflow doctor --only gl", "--device", "31")
        self.said("egl", message.replace("31", "-1"), "depthflow doctor --only gl", "--device=-1")
        assert "there is no GL device 31" in asked("--device", "31")["error"], "and nothing else is tried for it"

    def test_a_device_for_a_back_end_that_has_no_choice(self) -> None:
        said = asked("--backend", "osmesa", "--device", "0")
        assert said["error"] == "gl_device 0 cannot be chosen with osmesa"

    def test_osmesa_without_its_library(self) -> None:
        self.said("osmesa", "libOSMesa is not installed", "OSMesa" if not shutil.which("apt-get") else "libosmesa6",
                  code=without("OSMesa"))  # fmt: skip

    def test_glfw_without_its_package(self) -> None:
        code = "import sys; sys.modules['glfw'] = None"
        self.said("glfw", "GLFW cannot be used", "pip install glfw", code=code)

    def test_glfw_without_a_desktop(self) -> None:
        pytest.importorskip("glfw")
        self.said("glfw", "GLFW finds no desktop: ", "DISPLAY", DISPLAY="", WAYLAND_DISPLAY="")

    def test_nothing_works(self, tmp_path: Path) -> None:
        """All reasons are told, and the way out is that of the best back end."""
        (tmp_path / "libOSMesa.so").write_bytes(b"not a library")
        (tmp_path / "glfw.py").write_text("raise ImportError('no glfw here')")
        path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
        said = asked(**NO_EGL, OSMESA_LIBRARY=str(tmp_path / "libOSMesa.so"), PYTHONPATH=path)
        for reason in ("egl: EGL finds no driver", "osmesa: ", "glfw: GLFW cannot be used: no glfw here"):
            assert reason in said["error"]
        assert "install" in said["hint"]


class TestFallback:
    @osmesa
    def test_osmesa_comes_after_egl_and_draws_the_same(self, tmp_path: Path) -> None:
        frame, info = drawn(tmp_path, **NO_EGL)
        assert info["backend"] == "osmesa"
        assert info["passed_over"] == "egl: EGL finds no driver, neither Mesa's nor a GPU maker's"
        assert np.abs(frame.astype(int) - gl_scene.draw()).max() <= 2

    @osmesa
    def test_osmesa_when_asked_for(self, tmp_path: Path) -> None:
        frame, info = drawn(tmp_path, "osmesa")
        assert (info["backend"], info["passed_over"]) == ("osmesa", "")
        assert np.abs(frame.astype(int) - gl_scene.draw()).max() <= 2

    @osmesa
    def test_a_whole_video_and_a_note_that_says_so(self, photo: Path, depth_map: Path) -> None:
        arguments = ("render", photo, "--depth", depth_map, "-o", "out.mp4", "--json", *SHORT)
        done = depthflow(*arguments, cwd=photo.parent, **NO_EGL)
        assert done.code == 0, done.err
        assert "drawn through OpenGL by osmesa (egl: EGL finds no driver" in done.out

    def test_what_failed_in_its_own_process_is_not_tried_here(self, tmp_path: Path) -> None:
        """GLFW's stand-in kills its process, as broken drivers do; ours lives on and says so."""
        (tmp_path / "glfw.py").write_text("import os; os._exit(66)")
        path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
        said = asked(code=without("OSMesa"), **NO_EGL, PYTHONPATH=path, OSMESA_LIBRARY="/nonexistent")
        assert "glfw: ended with 66" in said["error"]


def test_only_a_core_profile_is_needed(tmp_path: Path) -> None:
    """macOS has OpenGL 3.3 without anything older; Mesa can be told to be like that."""
    frame, info = drawn(tmp_path, "egl", MESA_GL_VERSION_OVERRIDE="3.3FC")
    if not info["version"].startswith("3.3 (Core Profile)"):
        pytest.skip(f"this driver cannot: {info['version']}")
    np.testing.assert_array_equal(frame, gl_scene.draw())
    frame, _ = drawn(tmp_path, "egl", "effects", MESA_GL_VERSION_OVERRIDE="3.3FC")
    np.testing.assert_array_equal(frame, gl_scene.draw(more="effects"))
    assert np.abs(frame.astype(int) - gl_scene.draw()).mean() > 2, "they are seen"


@pytest.fixture(scope="module")
def display() -> Any:
    """An X server without a screen."""
    pytest.importorskip("glfw")
    if shutil.which("Xvfb") is None:
        pytest.skip("Xvfb is not installed")
    read, write = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", "64x48x24", "-nolisten", "tcp"],  # noqa: S607
        pass_fds=[write], stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(write)
    with os.fdopen(read) as answer:
        number = answer.readline().strip()
        if not number:
            pytest.skip(f"Xvfb does not start here: it ended with {server.wait()}")
        yield f":{number}"
    server.terminate()
    server.wait()


class TestWindow:
    def test_a_hidden_window_draws_the_same_in_a_core_profile(self, display: str, tmp_path: Path) -> None:
        frame, info = drawn(tmp_path, "glfw", DISPLAY=display)
        assert info["backend"] == "glfw"
        assert "Core Profile" in info["version"]
        assert np.abs(frame.astype(int) - gl_scene.draw()).max() <= 2

    def test_opened_on_the_main_thread_and_drawn_to_from_another(self, display: str, tmp_path: Path) -> None:
        """As macOS wants it."""
        script = (
            "import sys, runpy; from depthflow.render import backends; backends.ON_MAIN_THREAD = True\n"
            f"sys.argv = ['', {str(tmp_path / 'frame.npy')!r}, 'glfw']; runpy.run_path({gl_scene.__file__!r},"
            "run_name='__main__')"
        )
        env = environment(DISPLAY=display)
        done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        assert np.abs(np.load(tmp_path / "frame.npy").astype(int) - gl_scene.draw()).max() <= 2

    def test_not_from_another_thread_where_that_would_crash(self) -> None:
        pytest.importorskip("glfw")
        script = (
            "from depthflow.render import backends, context; backends.ON_MAIN_THREAD = True\n"
            "import threading; threading.Thread(target=lambda: context.context('glfw')).start()"
        )
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
        assert "this system opens windows on the main thread only" in done.stderr


class TestDevices:
    def test_each_has_a_number_that_can_be_asked_for(self) -> None:
        said = asked("--list")
        assert said["devices"], "Mesa always has its software device"
        assert [device.split(":")[0] for device in said["devices"]] == list(map(str, range(len(said["devices"]))))
        assert said["device"] in said["devices"]
        number = said["device"].split(":")[0]
        assert asked("--device", number)["device"] == said["device"]

    def test_the_one_that_draws_may_be_asked_for_again_and_no_other(self) -> None:
        here = context()
        assert context(device=int(here.info.device.split(":")[0])) is here
        with pytest.raises(GLError, match="already draws with device"):
            context(device=30)

    def test_hardware_comes_before_software_whatever_its_number(self, monkeypatch: pytest.MonkeyPatch) -> None:
        found = [
            devices.GLDevice(0, "Mesa", "", -1, True, 10),
            devices.GLDevice(1, "closed", "/dev/dri/renderD128", -1, False, 11),
            devices.GLDevice(2, "NVIDIA GPU", "/dev/dri/card1", 0, False, 12),
        ]
        monkeypatch.setattr(devices, "list_devices", lambda: found)
        monkeypatch.setattr(devices._Library, "display", lambda self, handle: {10: 110, 12: 112}.get(handle))
        assert devices.open_display(None) == (112, found[2])
        assert devices.open_display(0) == (110, found[0])
        with pytest.raises(GLError, match=r"1: closed .*renderD128.* cannot be opened") as caught:
            devices.open_display(1)
        assert "render,video" in caught.value.hint
        assert str(found[2]) == "2: NVIDIA GPU (/dev/dri/card1, CUDA 0)"


def test_another_back_end_in_one_process_is_refused() -> None:
    other = "osmesa" if context().info.backend == "egl" else "egl"
    with pytest.raises(GLError, match="already draws"):
        context(other)


def test_the_environment_is_left_as_it_was() -> None:
    """Children of this process choose for themselves."""
    script = "import os; before = dict(os.environ)\nfrom depthflow.render.context import context; context()\n" \
             "assert os.environ == before, set(os.environ.items()) ^ set(before.items())"  # fmt: skip
    for env in ({}, NO_EGL) if ctypes.util.find_library("OSMesa") else ({},):
        done = subprocess.run([sys.executable, "-c", script], env=environment(**env), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


class TestThreads:
    def test_what_is_raised_there_is_raised_here_and_the_thread_lives_on(self) -> None:
        def fail() -> None:
            raise ZeroDivisionError(f"in {threading.current_thread().name}")

        with pytest.raises(ZeroDivisionError, match="depthflow-gl"):
            context().run(fail)
        assert context().run(lambda: context().run(lambda: 2)) == 2

    def test_two_renderers_at_once_from_two_threads(self) -> None:
        cameras = [Camera(x=0.01 * number) for number in range(12)]
        pictures = gl_scene.photo(), gl_scene.photo()[::-1, ::-1].copy()
        sizes = (96, 64), (70, 90)
        alone = []
        for picture, size in zip(pictures, sizes, strict=True):
            with FrameRenderer(picture, gl_scene.depth(), size=size) as renderer:
                alone.append(list(renderer.frames(cameras)))
        together: dict[int, list[NDArray[np.uint8]]] = {}
        meet = threading.Barrier(2)

        def work(number: int) -> None:
            with FrameRenderer(pictures[number], gl_scene.depth(), size=sizes[number]) as renderer:
                together[number] = []
                for frame in renderer.frames(cameras):
                    meet.wait(30)  # frame by frame in turns
                    together[number].append(frame)

        threads = [threading.Thread(target=work, args=(number,)) for number in (0, 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        for number in (0, 1):
            np.testing.assert_array_equal(together[number], alone[number])

    def test_many_sizes_one_after_another(self) -> None:
        first = gl_scene.draw()
        for size in ((2, 2), (1920, 2), (33, 31), (640, 480), (2, 1080), (160, 120), (1, 1)):
            with FrameRenderer(gl_scene.photo(), gl_scene.depth(), size=size) as renderer:
                assert renderer.render(Camera()).shape == (size[1], size[0], 3)
        np.testing.assert_array_equal(gl_scene.draw(), first)


FORK = """
import os, sys, threading
sys.path.insert(0, {folder!r})
import gl_scene
from depthflow.errors import GLError
{before}
child = os.fork()
if child == 0:
    try:
        gl_scene.draw()
        print("drawn")
    except GLError as error:
        print(error, "|", error.hint)
    sys.exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), gl_scene.draw().shape)
"""


@pytest.mark.parametrize(
    ("before", "said"),
    [
        ("gl_scene.draw()", 'does not survive a fork | start it anew: multiprocessing.set_start_method("spawn")'),
        ("from depthflow.render import backends, frames; backends._import_vispy(); import vispy.gloo", "drawn"),
    ],
)
def test_a_fork(before: str, said: str) -> None:
    """After drawing began the child is told so, before it the child draws; both end as processes should."""
    script = FORK.format(folder=str(Path(__file__).parent), before=before)
    # -W: Python 3.12 warns of forks while threads run, which is what is tried here.
    command = [sys.executable, "-W", "ignore", "-c", script]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert said in done.stdout
    assert done.stdout.splitlines()[-1] == "7 (120, 160, 3)"


def test_a_forked_child_does_not_end_what_is_the_parents() -> None:
    spy = (
        "gl_scene.draw(); import vispy.ext.egl as egl\n"
        "class Spy:\n"
        "    def eglTerminate(self, display): print('ended by the', 'parent' if child else 'child')\n"
        "egl._lib = Spy()"
    )
    script = FORK.format(folder=str(Path(__file__).parent), before=spy)
    command = [sys.executable, "-W", "ignore", "-c", script]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert "ended by the parent" in done.stdout
    assert "ended by the child" not in done.stdout


def test_a_forked_child_has_no_hold_of_the_parents_devices(tmp_path: Path) -> None:
    """NVIDIA's driver frees at the child's end what the parent draws with; a file stands for its device here."""
    device, other = tmp_path / "device", tmp_path / "other"
    script = f"""
import os, sys
from depthflow.render import backends
files = [os.open(path, os.O_RDWR | os.O_CREAT) for path in ({str(device)!r}, {str(other)!r})]
child = os.fork()
if child == 0:
    backends._take_away({str(device)!r})
for file in files:
    os.write(file, b"child" if child == 0 else b"parent")
if child == 0:
    os._exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    done = subprocess.run([sys.executable, "-c", script], env=environment(), capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("7\n", "")
    assert device.read_text() == "parent"
    assert "child" in other.read_text(), "and of what else it has open"


@pytest.mark.parametrize("lacking", ["nothing", "libfontconfig"])
def test_no_program_is_started_to_find_the_libraries(lacking: str) -> None:
    """ctypes asks ldconfig, at each of five places; fontconfig is missing on many servers, and nothing needs it."""
    code = f"""
import ctypes, ctypes.util
ctypes.util._findSoname_ldconfig = lambda name: exit(f"{{name}} is looked for")
load = ctypes.CDLL
def without(name, *rest, **more):
    if str(name).startswith({lacking!r}):
        raise OSError("it is not here")
    return load(name, *rest, **more)
ctypes.CDLL = without
"""
    assert asked("--backend", "egl", code=code)["backend"] == "egl"
