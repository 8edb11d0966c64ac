"""`depthflow effects`: prints what effects there are, their numbers and the usual amounts."""

from __future__ import annotations

from typing import Annotated, Any, get_args

import typer

effects = typer.Typer(help="What can be done to the frames after they are drawn.", no_args_is_help=True)


@effects.callback()
def _group() -> None:
    pass


def rows() -> list[dict[str, Any]]:
    """Every key of every effect: what it may be, its default, its usual amount, and what it does."""
    from depthflow.jobs.effects_options import keys
    from depthflow.jobs.effects_spec import SUGGESTED, EffectsSpec
    from depthflow.scene.parameters import TABLE

    texts = _texts(EffectsSpec)
    found = []
    for name, field in keys().items():
        row = TABLE.get(name)
        usual = SUGGESTED.get(name.partition(".")[0], {}).get(name)
        found.append(
            {
                "name": name,
                "range": row.span if row else _span(field),
                "default": field.default,
                "usual": usual,
                "unit": row.unit if row else "",
                "animated": row is not None,
                "what it does": row.text if row else texts[name].removesuffix("."),
            }
        )
    return found


def _texts(model: Any) -> dict[str, str]:
    schema = model.model_json_schema()
    parts = {part: node["$ref"].rsplit("/", 1)[-1] for part, node in schema["properties"].items()}
    return {
        f"{part}.{key}": field.get("description", "")
        for part, name in parts.items()
        for key, field in schema["$defs"][name]["properties"].items()
    }


def _span(field: Any) -> str:
    """What a field that is no parameter may be, in words."""
    choices = [choice for choice in get_args(field.annotation) if isinstance(choice, str)]
    if choices:
        return ", ".join(choices)
    bounds = {type(rule).__name__: rule for part in (field, *get_args(field.annotation)) for rule in _rules(part)}
    if "Ge" in bounds and "Le" in bounds:
        return f"{bounds['Ge'].ge:g} to {bounds['Le'].le:g}"
    if field.annotation is bool:
        return "true, false"
    return "#rrggbb or a name" if "AfterValidator" in bounds else "text"


def _rules(part: Any) -> list[Any]:
    """Constraints of a field, or of a type within it."""
    found = list(getattr(part, "metadata", ())) or list(getattr(part, "__metadata__", ()))
    return [rule for one in found for rule in (getattr(one, "metadata", None) or [one])]


def cell(value: Any) -> str:
    """A value as people write it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def markdown() -> str:
    """The table of docs/effects.md."""
    lines = ["| name | range | default | usual | unit | what it does |", "|---|---|---|---|---|---|"]
    for row in rows():
        name = f"`{row['name']}`" + ("" if row["animated"] else " ·")
        cells = [row["range"], cell(row["default"]), cell(row["usual"]), row["unit"], row["what it does"]]
        lines.append(f"| {' | '.join((name, *cells))} |")
    return "\n".join(lines)


@effects.command("list")
def list_effects(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print the table of docs/effects.md.")] = False,
) -> None:
    """List all effects: --effect NAME takes the usual amount, --effect NAME.KEY=VALUE your own."""
    if as_json:
        import json

        print(json.dumps(rows(), indent=2, ensure_ascii=False))
        return
    if as_markdown:
        print(markdown())
        return
    from rich.console import Console
    from rich.table import Table

    from depthflow.jobs.effects_spec import SUGGESTED

    table = Table("name", "range", "default", "usual", "what it does", box=None, pad_edge=False, header_style="bold")
    for row in rows():
        unit = f" ({row['unit']})" if row["unit"] else ""
        what = row["what it does"] + unit
        table.add_row(row["name"], row["range"], cell(row["default"]), cell(row["usual"]), what)
    Console().print(table)
    print(f"\nNames with a usual amount: {', '.join(SUGGESTED)}")
    print("dof is sharp at --focus (0.35). For a subject, give its depth: --effect dof.focus=0.75, or --focus 0.75")
