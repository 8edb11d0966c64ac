"""Whether depth networks can run, and on what; and whether the network files are whole. It loads no network."""

from __future__ import annotations

import importlib.metadata
from typing import Literal

from depthflow import paths
from depthflow.doctor import machine
from depthflow.doctor.check import Answer, Check, Facts, ask
from depthflow.errors import DepthFlowError

TIMEOUT_S = 120.0
"""CUDA and cuDNN are gigabytes of libraries, and a cold disk reads them slowly; CPU alone takes 1 s."""

_INSTALL_CPU = "pip install 'depthflow-studio[cpu]'"
_INSTALL_GPU = "pip install 'depthflow-studio[gpu]'"


def check_onnx() -> Check:
    return judge(ask(["-m", "depthflow.doctor.onnx_probe"], TIMEOUT_S), onnx_packages(), machine.gpus())


def onnx_packages() -> list[str]:
    """Installed distributions that own the module `onnxruntime`, such as "onnxruntime-gpu 1.24.1"."""
    found = set()
    for distribution in importlib.metadata.distributions():
        name = (distribution.name or "").lower().replace("_", "-")
        if not name.startswith(("onnxruntime", "ort-nightly")):
            continue
        files = distribution.files
        # onnxruntime-extensions and the like own a module of their own.
        if files is None or any(file.parts[:2] == ("onnxruntime", "__init__.py") for file in files):
            found.add(f"{name} {distribution.version}")
    return sorted(found)


def judge(answer: Answer, packages: list[str], gpus: list[str]) -> Check:
    """The check's result.

    Args:
        answer: what depthflow.doctor.onnx_probe said.
        packages: what `onnx_packages` found.
        gpus: what `machine.gpus` found.
    """
    said = {key: value for line in answer.lines for key, value in line.items()}
    tried = {line["tried"]: str(line["error"]) for line in answer.lines if "tried" in line}
    working = [name for name, error in tried.items() if not error]
    refused = [f"{name}: {error}" for name, error in tried.items() if error]
    facts: Facts = {
        "packages": packages,
        "version": str(said.get("version", "")),
        "available": [str(name) for name in said.get("available", [])],
        "working": working,
        "refused": refused,
        "runs_on": working[0] if working else "",
    }
    several = f"{' and '.join(packages)} are installed over each other"
    names = " ".join(package.split()[0] for package in packages) or "onnxruntime"
    with_gpu = f"pip uninstall -y {names} && {_INSTALL_GPU}"
    afresh = with_gpu if "NVIDIA" in gpus else f"pip uninstall -y {names} && {_INSTALL_CPU}"
    if len(packages) > 1 and not working:
        return Check("onnx", "fail", facts, f"{several}, and none works", afresh)
    if "version" not in said and "hint" in said:
        return Check("onnx", "fail", facts, str(said["error"]), str(said["hint"]))
    if answer.trouble:
        where = f" while it tried {said['trying']}" if "trying" in said else ""
        mend = f"go without it: depthflow config set depth.provider cpu; or reinstall: {afresh}"
        return Check("onnx", "fail", facts, f"ONNX Runtime {answer.trouble}{where}", mend)
    if not working:
        reason = "; ".join(refused) or answer.log or "it said nothing"
        return Check("onnx", "fail", facts, f"ONNX Runtime runs on nothing here: {reason}", f"reinstall: {afresh}")
    if len(packages) > 1:
        return Check("onnx", "warn", facts, f"{several}; which one runs is chance", afresh)
    if "NVIDIA" in gpus and tried.get("cuda"):
        problem = f"the NVIDIA GPU is not used, {working[0]} is: {tried['cuda']}"
        mend = f"update NVIDIA's driver, then bring CUDA and cuDNN: {_INSTALL_GPU}"
        return Check("onnx", "warn", facts, problem, mend)
    if "NVIDIA" in gpus and working == ["cpu"]:
        return Check("onnx", "warn", facts, "an NVIDIA GPU is there, but this ONNX Runtime has no CUDA", with_gpu)
    return Check("onnx", "ok", facts)


def check_models() -> Check:
    from depthflow.depth.registry import load_registry, usable_model, user_registry
    from depthflow.depth.verify import checked_file

    wanted, fallback = _wanted_model()
    facts: Facts = {"known": 0, "installed": [], "damaged": [], "default": wanted, "folder": str(paths.models_dir())}
    facts["registry"] = str(user_registry())
    try:
        facts["huggingface_hub"] = importlib.metadata.version("huggingface_hub")
    except importlib.metadata.PackageNotFoundError:
        # No problem: the network that ships needs no download.
        facts["huggingface_hub"] = "not installed (depthflow models pull needs it: pip install 'depthflow-studio[hub]')"
    try:
        models = load_registry()
    except DepthFlowError as error:
        return Check("models", "fail", facts, error.message, error.hint or "correct or remove that registry file")
    installed, damaged = [], []
    worst: Check | None = None
    for name, info in models.items():
        if info.source != "builtin" and not info.available():
            continue
        try:
            checked_file(info)
            installed.append(name)
        except DepthFlowError as error:
            damaged.append(f"{name}: {error.message}")
            mend = error.hint or info.pull_hint
            if info.source == "builtin":
                worst = Check("models", "fail", facts, error.message, mend)
            else:
                worst = worst or Check("models", "warn", facts, error.message, mend)
    facts.update(known=len(models), installed=installed, damaged=damaged)
    if worst is not None:
        return worst
    try:
        _, instead = usable_model(wanted, fallback)
    except DepthFlowError as error:
        return Check("models", "fail", facts, f"depth.model of the settings: {error.message}", error.hint)
    if instead:
        problem, _, mend = instead.partition("; ")
        return Check("models", "warn", facts, f"depth.model of the settings: {problem}", mend)
    return Check("models", "ok", facts)


def _wanted_model() -> tuple[str, Literal["none", "builtin"]]:
    """The model of the settings, and what stands in for it; a broken settings file is told by another check."""
    from depthflow.settings import load_settings

    try:
        settings = load_settings().settings.depth
    except DepthFlowError:
        return "builtin", "none"
    return settings.model, settings.fallback
