"""Writes the systemd unit of the daemon, for one user or for the whole machine; it starts nothing."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import platformdirs

from depthflow import paths
from depthflow.errors import SystemError_, UsageError
from depthflow.settings_file import write_text
from depthflow_daemon.config import Loaded

NAME = "depthflowd.service"
SYSTEM_PLACE = Path("/etc/systemd/system") / NAME
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")

_UNIT = """\
[Unit]
Description=DepthFlow: photos dropped into folders become parallax videos
Documentation={docs}
After=network.target

[Service]
Type=notify
NotifyAccess=main
ExecStart={command}
ExecReload=/bin/kill -HUP $MAINPID
{owner}Restart=on-failure
RestartSec=5
# It tells systemd that it is alive only while its parts go round.
WatchdogSec=120
# Running jobs may end first; the workers are ended by the daemon.
KillMode=mixed
TimeoutStopSec={stop_seconds}
# A worker that takes too much memory is replaced; the daemon goes on.
OOMPolicy=continue
Nice=5
{shelter}
[Install]
WantedBy={target}
"""
_DOCS = "https://pypi.org/project/depthflow-studio/"
# What works without privileges. Not here: MemoryDenyWriteExecute and PrivateDevices, since Mesa writes the code that it
# runs, and GPUs are devices.
_SHELTER = """\
NoNewPrivileges=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictNamespaces=yes
SystemCallArchitectures=native
"""
_SYSTEM_SHELTER = """\
PrivateTmp=yes
ProtectSystem=strict
ProtectHome={home}
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
ProtectProc=invisible
CapabilityBoundingSet=
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
"""
_SYSTEM_OWNER = """\
User={user}
StateDirectory=depthflow
StateDirectoryMode=0700
CacheDirectory=depthflow
RuntimeDirectory=depthflow
RuntimeDirectoryMode=0700
Environment=DEPTHFLOW_STATE_DIR=/var/lib/depthflow
Environment=DEPTHFLOW_MODELS_DIR=/var/lib/depthflow/models
Environment=DEPTHFLOW_CACHE_DIR=/var/cache/depthflow
Environment=DEPTHFLOW_RUNTIME_DIR=/run/depthflow
Environment=DEPTHFLOW_CONFIG_DIR=/etc/depthflow
"""


def unit(loaded: Loaded, *, system: bool = False, user: str = "depthflow") -> str:
    """The unit's text.

    Args:
        system: for the machine; else for the user who starts it.
        user: who runs it then.

    Raises:
        UsageError: there is no settings file to name in a system unit, or no such user name.
    """
    if not _USER.fullmatch(user):
        raise UsageError(f"{user!r} is no user's name", "small letters, digits, _ and -")
    if system and not loaded.file.exists():
        raise UsageError(
            f"{loaded.file}: there is no such file, and a machine's daemon needs one",
            "depthflow daemon config > /etc/depthflow/depthflowd.toml, then --config /etc/depthflow/depthflowd.toml",
        )
    command = [sys.executable, "-P", "-m", "depthflow_daemon"]
    if loaded.file.exists():
        command += ["--config", str(loaded.file.absolute())]
    shelter = _SHELTER
    if system:
        shelter += _SYSTEM_SHELTER.format(home="read-only" if _in_home(loaded) else "yes") + _writable(loaded)
    return _UNIT.format(
        docs=_DOCS,
        command=" ".join(map(quoted, command)),
        owner=_SYSTEM_OWNER.format(user=user) if system else "",
        stop_seconds=round(loaded.settings.drain_seconds) + 30,
        shelter=shelter,
        target="multi-user.target" if system else "default.target",
    )


def _places(loaded: Loaded) -> list[Path]:
    settings = loaded.settings
    found = [path for folder in settings.folders for path in (folder.input, folder.output, folder.archive) if path]
    found += [settings.store_file.parent] if settings.store else []
    found += [settings.logs.file.parent] if settings.logs.file else []
    return found


def _in_home(loaded: Loaded) -> bool:
    """Something that is needed lies there; the program itself may."""
    needed = [
        *_places(loaded),
        Path(sys.prefix),
        Path(sys.executable).resolve(),
        paths.data_root(),
        loaded.file.absolute(),
    ]
    return any(path.is_relative_to(home) for path in needed for home in ("/home", "/root"))


def _writable(loaded: Loaded) -> str:
    """The only places besides its own where a machine's daemon may write; those that are not there are passed over."""
    lines = [f"ReadWritePaths=-{quoted(str(path))}\n" for path in dict.fromkeys(_places(loaded))]
    return "".join(lines)


def quoted(text: str) -> str:
    """As systemd reads it: one word, `%` and `$` for themselves."""
    if any(ord(character) < 32 for character in text):
        raise UsageError(f"{text!r} cannot stand in a unit", "rename it")
    text = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return text if re.fullmatch(r"[\w/.,:@%+=-]+", text) else f'"{text}"'


def write(text: str, *, system: bool = False) -> Path:
    """Put the unit where systemd finds it.

    Raises:
        SystemError_: there is no systemd here.
        OutputError: it cannot be written.
    """
    if sys.platform != "linux":
        raise SystemError_("systemd is Linux's", "docs/daemon.md has the way for macOS and Windows")
    place = SYSTEM_PLACE
    if not system:
        place = Path(platformdirs.user_config_path()) / "systemd" / "user" / NAME
    write_text(place, text)
    return place


def commands(*, system: bool = False) -> list[str]:
    """What the user has to say to systemd now."""
    if system:
        return ["systemctl daemon-reload", f"systemctl enable --now {NAME}", "journalctl -u depthflowd -f"]
    return [
        "systemctl --user daemon-reload",
        f"systemctl --user enable --now {NAME}",
        'loginctl enable-linger "$USER"      # it also runs while you are not logged in',
        "journalctl --user -u depthflowd -f",
    ]
