"""The commands around Label Studio."""

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from flows.steps import Turn

labels = typer.Typer(help="What people answered: pull it, look at it, mend it.", no_args_is_help=True)
RecipeName = Annotated[str, typer.Argument(metavar="RECIPE", help="a file in recipes/, without .yaml")]


def label(
    recipe: RecipeName,
    budget: Annotated[int | None, typer.Option(help="answers that people give; default: the recipe's")] = None,
    strategy: Annotated[str | None, typer.Option(help="how the records are chosen; default: the recipe's")] = None,
) -> None:
    """Choose the records that are worth a person's minute, and bring them into Label Studio."""
    from flows import studio_people

    given = {"label.budget": budget, "label.strategy": strategy}
    values = {key: str(value) for key, value in given.items() if value is not None}
    turn = _checked(recipe, values)

    def start() -> object:
        from flows.labelling import label as flow

        return flow(recipe, values)

    urls = _studio(turn.paths.home)
    _in_flow(start, turn, urls)
    typer.echo(studio_people.welcome(turn.recipe, turn.paths.home, urls["studio"]))


@labels.command()
def pull(recipe: RecipeName) -> None:
    """Land what people answered and corrected, make the consensus anew, send what is in dispute to review."""
    from flows import servers

    turn = _checked(recipe, {})

    def start() -> object:
        from flows.labelling import pull as flow

        return flow(recipe)

    home = turn.paths.home
    _in_flow(start, turn, _studio(home) if _has_studio(home) else servers.up(home))


@labels.command()
def status(recipe: RecipeName) -> None:
    """Show how far the labelling is, and how far the annotators agree."""
    _step(recipe, "status", {})


@labels.command()
def watch(recipe: RecipeName) -> None:
    """Pull answers by themselves from now on: Label Studio tells of each one."""
    from flows import label_hooks

    turn = _checked(recipe, {})
    typer.echo(label_hooks.watch(turn, _studio(turn.paths.home)["studio"]))


@labels.command()
def errors(
    recipe: RecipeName,
    budget: Annotated[int | None, typer.Option(help="records that go to review; default: the recipe's")] = None,
) -> None:
    """Find labels that are probably wrong, say how much noise there is, and bring the worst to review."""
    _step(recipe, "errors", {} if budget is None else {"label.budget": str(budget)})


@labels.command()
def simulate(
    recipe: RecipeName,
    truth: Annotated[Path, typer.Option(help="CSV or Parquet of records and their labels: record_id or text, label")],
    annotators: Annotated[int, typer.Option(min=1, max=50, help="stand-ins that answer one after the other")] = 3,
    error_rate: Annotated[float, typer.Option(min=0, max=1, help="share of answers that are any other one")] = 0.1,
) -> None:
    """Let stand-ins answer in Label Studio in the place of people: for trying things out, never on real data."""
    from flows import studio_people

    turn = _checked(recipe, {})
    url = _studio(turn.paths.home)["studio"]
    for line in studio_people.simulate(turn, url, truth, studio_people.Crowd(annotators, error_rate)):
        typer.echo(line)


def _checked(recipe: str, values: dict[str, str]) -> "Turn":
    """The recipe, after all that can be wrong with it and the given values was told."""
    from flows import run_lock, steps
    from tasks.recipe import with_values

    turn = steps.opened(recipe)
    with_values(turn.recipe, values)
    run_lock.require_free(turn.paths.home, recipe)
    return turn


def _studio(home: Path) -> dict[str, str]:
    """The URLs of all servers that a labelling flow needs, started where they do not run."""
    from flows import servers

    return {**servers.up(home), "studio": studio_up(home)}


def _has_studio(home: Path) -> bool:
    """Whether there is a Label Studio to pull from, ours or another; it is not installed for the corrections alone."""
    from flows import servers, studio_install

    return "studio" in servers.external(home) or studio_install.installed(home)


def studio_up(home: Path) -> str:
    """The URL of Label Studio, installed and started if need be."""
    from flows import label_receiver, servers, studio_install

    if "studio" not in servers.external(home) and not studio_install.installed(home):
        typer.echo("installing Label Studio into an environment of its own (1 GB, once) …", err=True)
    url = servers.studio_up(home)
    if label_receiver.watched(home):
        servers.receiver_up(home)
    return url


def _in_flow(start: object, turn: "Turn", urls: dict[str, str]) -> None:
    from flows import console, settings
    from flows.run import in_prefect

    studio = settings.studio(turn.paths.home, urls["studio"]) if "studio" in urls else {}
    settings.apply({**settings.project(turn.paths.home), **studio})
    with console.showing() as display, contextlib.suppress(BrokenPipeError):
        in_prefect(start, turn.paths.home, urls, display)  # type: ignore[arg-type]


def _step(recipe: str, name: str, values: dict[str, str]) -> None:
    """Run one step that talks to Label Studio, without a flow."""
    import functools

    from flows import console, settings, steps
    from flows.stage_process import run as run_stage

    turn = _checked(recipe, values)
    home = turn.paths.home
    settings.apply({**settings.project(home), **settings.studio(home, _studio(home)["studio"])})
    with console.showing() as display:
        run_stage(steps.job(turn, name, steps.own_command(turn, name, values)), functools.partial(display, name))
