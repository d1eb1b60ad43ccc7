"""`tidemill federate`: many silos, one model, no record moved."""

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import click
import typer
from typer.core import TyperGroup

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flows.steps import Result


class _RecipeFirst(TyperGroup):
    """A first word that names no command is a recipe: `tidemill federate feedback` runs it."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        known = not args or args[0] in self.commands
        return super().resolve_command(ctx, args if known else ["run", *args])


app = typer.Typer(
    cls=_RecipeFirst, help="Let many silos train one model; no record leaves its silo.", no_args_is_help=True
)
RecipeName = Annotated[str, typer.Argument(metavar="RECIPE", help="a file in recipes/, without .yaml")]


@app.command()
def run(
    recipe: RecipeName,
    listen: Annotated[str | None, typer.Option(help="HOST:PORT for silos on other machines")] = None,
    undo: Annotated[
        bool, typer.Option("--undo", help="take the federated model out: the next run trains here")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON for a program to read")] = False,
) -> None:
    """Let the silos train, then compress, evaluate and release the model as any other."""
    from flows import console, outcome, recipe_list, run_lock, servers, steps
    from flows.run import in_prefect
    from tasks.federate.run import LISTEN, require_possible

    turn = steps.opened(recipe)
    root, home = turn.paths.root, turn.paths.home
    run_lock.require_free(home, recipe)
    if undo:
        typer.echo(_undone(turn.paths.federated, recipe))
        return
    require_possible(turn.recipe)
    if listen:
        os.environ[LISTEN] = listen
    if recipe_list.add(root, recipe):
        typer.echo(f"added {recipe} to recipes/all.yaml, which dvc.yaml reads", err=True)
    urls = servers.up(home)
    with console.showing(quiet=as_json) as display:
        results = in_prefect(lambda: _federate(recipe), home, urls, display)
    told: dict[str, Any] = outcome.of_run(turn.paths, results, urls)
    if as_json:
        import json

        typer.echo(json.dumps(told, indent=2, sort_keys=True, ensure_ascii=False))
    else:
        typer.echo(outcome.as_text(told))


@app.command()
def certs(
    recipe: Annotated[str, typer.Option(help="a file in recipes/")] = "feedback",
    silo: Annotated[list[str] | None, typer.Option(help="make a key pair for this silo (may be said again)")] = None,
    host: Annotated[list[str] | None, typer.Option(help="a name or address that silos reach this machine by")] = None,
) -> None:
    """Make the authority, the server's certificate and keys for silos; what is there is kept."""
    from flows import steps
    from tasks.federate.certificates import ensure
    from tasks.federate.local_silos import safe
    from tasks.federate.run import certificates

    paths = steps.opened(recipe).paths
    files = certificates(paths)
    made = ensure(files, host or [], [safe(name) for name in silo or []])
    for path in made:
        typer.echo(f"made {path}")
    if not made:
        typer.echo(f"nothing to do: {files.folder} has all of it")
    typer.echo(f"give a silo its own .key and {files.authority}; ca.key and server.key stay here")


def _undone(folder: Path, recipe: str) -> str:
    """Remove the federated model and DVC's pointer to it; what was released stays in MLflow and in DVC's cache."""
    if not folder.is_dir():
        return f"{recipe}: there is no federated model"
    folder.with_name(f"{folder.name}.dvc").unlink(missing_ok=True)
    shutil.rmtree(folder)
    return f"{recipe}: the federated model is out; the next run trains here: tidemill run {recipe}"


def _federate(recipe: str) -> "Sequence[Result]":
    """Prefect is imported here, once its environment is set."""
    from flows.federate import federate

    return federate(recipe)
