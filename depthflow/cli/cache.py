"""`depthflow cache`: shows and clears the kept depth maps. What is kept, and how, is known to depthflow.depth.cache."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(help="Show and clear the kept depth maps.", no_args_is_help=True)


@app.command()
def show(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Print where kept depth maps lie, how many there are, and how much room they take."""
    from depthflow.depth.cache import DepthCache
    from depthflow.settings import load_settings

    limit = round(load_settings().settings.cache.depth_megabytes * 1e6)
    cache = DepthCache(max_bytes=limit)
    count, size = cache.count(), cache.size()
    if as_json:
        import json

        facts = {"folder": str(cache.folder), "maps": count, "bytes": size, "limit_bytes": limit}
        typer.echo(json.dumps(facts, indent=2, ensure_ascii=False))
        return
    typer.echo(cache.folder)
    if not limit:
        typer.echo(f"{count} depth maps, {size / 1e6:.1f} MB; new ones are not kept (cache.depth_megabytes = 0)")
        return
    typer.echo(f"{count} depth maps, {size / 1e6:.1f} of at most {limit / 1e6:.0f} MB (cache.depth_megabytes)")


@app.command()
def clear() -> None:
    """Remove all kept depth maps; they are estimated anew when they are needed."""
    from depthflow.depth.cache import DepthCache
    from depthflow.errors import OutputError

    cache = DepthCache()
    size = cache.size()
    count = cache.clear()
    left = cache.count()
    typer.echo(f"{count} depth maps removed, {(size - cache.size()) / 1e6:.1f} MB freed")
    if left:
        raise OutputError(f"{cache.folder}: {left} depth maps cannot be removed", "look at the folder's permissions")
