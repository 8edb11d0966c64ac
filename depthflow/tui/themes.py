"""The interface's own themes, beside those of Textual. They are colours only; what is coloured how stands in .tcss."""

from __future__ import annotations

from collections.abc import Iterable

from textual.theme import Theme

DEFAULT = "depthflow-dark"

_DARK = Theme(
    name="depthflow-dark",
    dark=True,
    primary="#5FB0F0",
    secondary="#8EA7F5",
    accent="#F5B95F",
    success="#6FCF97",
    warning="#EBC95E",
    error="#F47C78",
    foreground="#E2E8F0",
    background="#0D1117",
    surface="#131922",
    panel="#1B2430",
    boost="#243040",
    variables={
        "border": "#5FB0F0",
        "border-blurred": "#33415A",
        "block-cursor-background": "#2A4D6E",
        "block-cursor-foreground": "#FFFFFF",
        "block-cursor-blurred-background": "#22354A",
        "block-cursor-blurred-foreground": "#E2E8F0",
        "block-hover-background": "#1E2A39",
        "button-color-foreground": "#0B1016",
        "footer-key-foreground": "#F5B95F",
        "input-selection-background": "#5FB0F0 35%",
        "scrollbar": "#33415A",
        "scrollbar-hover": "#48618A",
        "scrollbar-background": "#11161E",
        "text-muted": "#93A3B8",
    },
)

_LIGHT = Theme(
    name="depthflow-light",
    dark=False,
    primary="#1C6096",
    secondary="#4A55A8",
    accent="#8C4A00",
    success="#17663A",
    warning="#7A5400",
    error="#B0261F",
    foreground="#1D232B",
    background="#F8F6F2",
    surface="#F1EEE8",
    panel="#E6E2DA",
    boost="#DAD5CB",
    variables={
        "border": "#1C6096",
        "border-blurred": "#B9B2A5",
        "block-cursor-background": "#C4DAEC",
        "block-cursor-foreground": "#10161E",
        "block-cursor-blurred-background": "#DCE5EC",
        "block-cursor-blurred-foreground": "#1D232B",
        "block-hover-background": "#E0DBD1",
        "button-color-foreground": "#FFFFFF",
        "footer-key-foreground": "#8C4A00",
        "input-selection-background": "#1C6096 25%",
        "scrollbar": "#B9B2A5",
        "scrollbar-hover": "#8F887B",
        "scrollbar-background": "#EAE6DE",
        "text-muted": "#525A64",
    },
)

_CONTRAST = Theme(
    name="depthflow-contrast",
    dark=True,
    primary="#6FD3FF",
    secondary="#C7B8FF",
    accent="#FFD84D",
    success="#6BFF9C",
    warning="#FFD84D",
    error="#FF9C9C",
    foreground="#FFFFFF",
    background="#000000",
    surface="#000000",
    panel="#141414",
    boost="#2A2A2A",
    variables={
        "border": "#FFD84D",
        "border-blurred": "#9A9A9A",
        "block-cursor-background": "#4A3B00",
        "block-cursor-foreground": "#FFFFFF",
        "block-cursor-blurred-background": "#3A3A3A",
        "block-cursor-blurred-foreground": "#FFFFFF",
        "block-hover-background": "#2A2A2A",
        "button-color-foreground": "#000000",
        "footer-key-foreground": "#FFD84D",
        "input-selection-background": "#6FD3FF 40%",
        "scrollbar": "#B0B0B0",
        "scrollbar-hover": "#FFFFFF",
        "scrollbar-background": "#141414",
        "text": "#FFFFFF",
        "text-muted": "#D0D0D0",
    },
)


def _with_text(theme: Theme) -> Theme:
    """Coloured text in the very colours: Textual would mix them with black or white, and forget our boost."""
    theme.variables["boost"] = str(theme.boost)
    words = ("primary", "secondary", "accent", "success", "warning", "error")
    for word in words:
        theme.variables.setdefault(f"text-{word}", str(getattr(theme, word)))
    return theme


THEMES = tuple(map(_with_text, (_DARK, _LIGHT, _CONTRAST)))
WHAT = {
    "depthflow-dark": "Quiet dark blue",
    "depthflow-light": "Warm paper",
    "depthflow-contrast": "High contrast: all text at 7:1 or more",
}
"""What each of them is like."""


def ordered(names: Iterable[str]) -> list[str]:
    """Names of themes as they are listed: our own, then all others by name."""
    ours = [theme.name for theme in THEMES]
    return [*ours, *sorted(set(names).difference(ours))]
