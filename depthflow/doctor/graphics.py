"""Whether OpenGL works here, and whether the GPU or the CPU draws. It opens no context in its own process."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from depthflow.doctor import machine
from depthflow.doctor.check import Answer, Check, Facts, ask
from depthflow.errors import DepthFlowError
from depthflow.render.backends import missing_hint

TIMEOUT_S = 30.0
"""Far more than any working driver takes (llvmpipe here: 1 s), far less than a user's patience with a hung one."""


def check_gl() -> Check:
    options, chosen = _wanted()
    answer = ask(["-m", "depthflow.render.context", "--list", *options], TIMEOUT_S)
    return judge(answer, machine.gpus(), container=machine.in_container(), chosen=chosen)


def judge(answer: Answer, gpus: list[str], *, container: bool, chosen: str = "") -> Check:
    """The check's result.

    Args:
        answer: what depthflow.render.context said.
        gpus: what `machine.gpus` found.
        container: we are in one.
        chosen: how to choose another device than the settings do; empty if they leave the choice to us.
    """
    said = answer.lines[-1] if answer.lines else {}
    # What is empty tells nothing: no devices to choose from, no back end passed over.
    facts: Facts = {key: value for key, value in said.items() if key not in ("error", "hint") and value != ""}
    facts["gpus"] = gpus
    if answer.trouble:
        mend = "update or reinstall the graphics driver; LIBGL_ALWAYS_SOFTWARE=1 draws without it"
        return Check("gl", "fail", facts, f"the OpenGL driver {answer.trouble}{_said(answer)}", mend)
    if "error" in said:
        problem, mend = str(said["error"]), str(said.get("hint") or missing_hint())
        if chosen:
            # The hint would be to ask for the devices, and they are in the facts.
            mend = chosen if "no GL device" in problem else f"{mend}; {chosen}"
        return Check("gl", "fail", facts, problem, mend)
    if "renderer" not in said:
        return Check("gl", "fail", facts, f"OpenGL could not be asked{_said(answer)}", missing_hint())
    if said.get("software") and gpus:
        problem = f"a GPU is there ({', '.join(gpus)}), but OpenGL runs in software ({said['renderer']})"
        return Check("gl", "warn", facts, problem, _software_mend(gpus, container))
    if said.get("passed_over"):
        problem = f"OpenGL runs by {said['backend']}, because better ways do not work ({said['passed_over']})"
        return Check("gl", "warn", facts, problem, missing_hint())
    return Check("gl", "ok", facts)


def _wanted() -> tuple[list[str], str]:
    """Options for the back end and device of the settings, and how to choose another device if they choose one.

    A broken settings file is told by another check.
    """
    try:
        from depthflow.settings import AUTO, load_settings

        loaded = load_settings()
    except DepthFlowError:
        return [], ""
    render, origin = loaded.settings.render, loaded.origin["render.gl_device"]
    backend = ["--backend", render.gl_backend]
    if render.gl_device == AUTO:
        return backend, ""
    free = f"unset {origin}" if origin in os.environ else "depthflow config unset render.gl_device"
    chosen = f"render.gl_device is {render.gl_device}: set it to the number of a device that is listed, or {free}"
    return [*backend, "--device", str(render.gl_device)], chosen


def _said(answer: Answer) -> str:
    return f": {answer.log}" if answer.log else ""


def _software_mend(gpus: list[str], container: bool) -> str:
    """How the GPU comes to draw."""
    if os.environ.get("LIBGL_ALWAYS_SOFTWARE", "0") not in ("", "0", "false"):
        return "unset LIBGL_ALWAYS_SOFTWARE"
    if sys.platform == "win32":
        return (
            "install the driver of the GPU's maker, not Windows' own; a remote desktop or a service may see no GPU: "
            "start it in a session at the machine"
        )
    if "NVIDIA" in gpus and container:
        return (
            "start the container with the capability graphics: "
            "docker run --gpus all -e NVIDIA_DRIVER_CAPABILITIES=graphics,video,compute,utility"
        )
    if "NVIDIA" in gpus:
        return (
            "install the OpenGL part of NVIDIA's driver (libnvidia-gl-VERSION on Debian and Ubuntu), which brings "
            "libEGL_nvidia.so.0 and glvnd/egl_vendor.d/10_nvidia.json"
        )
    closed = [node for node in sorted(Path("/dev/dri").glob("renderD*")) if not os.access(node, os.R_OK | os.W_OK)]
    if closed:
        return f"{closed[0]} may not be opened: sudo usermod -aG render,video $USER, then log in again"
    if container and not Path("/dev/dri").exists():
        return "give the container the GPU: docker run --device /dev/dri"
    return missing_hint()
