"""`depthflow models`: lists, fetches, imports, exports, checks, times and removes depth networks; prints, no more."""

from __future__ import annotations

import typer

from depthflow.cli.models.adding import export_model, import_model
from depthflow.cli.models.checking import bench_models, verify_models
from depthflow.cli.models.fetching import pull_models, remove_models
from depthflow.cli.models.listing import list_models, show_model

app = typer.Typer(help="Depth networks: list, fetch, add, check, time, remove.", no_args_is_help=True)

app.command("list")(list_models)
app.command("info")(show_model)
app.command("pull")(pull_models)
app.command("import")(import_model)
app.command("export")(export_model)
app.command("remove")(remove_models)
app.command("verify")(verify_models)
app.command("bench")(bench_models)
