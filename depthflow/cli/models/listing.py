"""`depthflow models list` and `info`: which networks there are, and what their licences allow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from depthflow.cli.models.common import AsJson, Name, print_data

if TYPE_CHECKING:
    from depthflow.depth.registry import ModelInfo


def row(info: ModelInfo) -> dict[str, Any]:
    """What is worth knowing of a model, as plain data."""
    here = info.available()
    return {
        "name": info.name,
        "title": info.title,
        "source": info.source,
        "here": here,
        "path": str(info.path()) if here else "",
        "size_mb": info.size_mb,
        "licence": info.licence,
        "commercial_use": info.commercial_use,
        "licence_note": info.licence_note,
        "verified": info.verified,
        "quality": info.quality,
        "get": "" if here else info.pull_hint,
    }


def list_models(as_json: AsJson = False) -> None:
    """List all known networks: which are here, and what their licences allow."""
    from depthflow.depth.registry import load_registry

    rows = [row(info) for info in load_registry().values()]
    if as_json:
        print_data(rows)
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("name", "here", "MB", "licence"):
        table.add_column(heading, no_wrap=True, overflow="fold")
    table.add_column("commercial use", max_width=10)
    table.add_column("what it is", overflow="fold")
    for one in rows:
        here = "yes" if one["here"] else "no"
        table.add_row(
            one["name"],
            here,
            f"{one['size_mb']:g}",
            one["licence"],
            one["commercial_use"],
            one["quality"] or one["title"],
        )
    console = Console(markup=False)  # titles and licences come from anybody's files
    console.print(table)
    console.print("\nA licence's note: depthflow models info NAME. Fetch one: depthflow models pull NAME.", style="dim")


def show_model(name: Name, as_json: AsJson = False) -> None:
    """Show all that is known of one network."""
    from depthflow.depth.registry import find_model

    info = find_model(name)
    facts = row(info)
    rules = {"input": info.input.model_dump(mode="json"), "output": info.output.model_dump(mode="json")}
    if info.hub is not None:
        facts |= {"repository": info.hub.repo, "revision": info.hub.revision, "file": info.hub.file}
    if info.torch is not None:
        facts |= {"torch": info.torch.repo}
    facts |= {"sha256": info.sha256, "opset": info.opset, "registry": str(info.registry or "")}
    if as_json:
        print_data(facts | rules)
        return
    for key, value in facts.items():
        text = ("yes" if value else "no") if isinstance(value, bool) else value or "-"
        print(f"{key.replace('_', ' ')}: {text}")
    for kind, rule in rules.items():
        print(
            f"{kind}: " + ", ".join(f"{key} {_short(value)}" for key, value in rule.items() if value not in (None, ""))
        )


def _short(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
