"""The `tidemill` command line. Slow imports wait until a command needs them, so that help comes at once."""

import os
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from flows import demo_cli, federate_commands, label_cli, loop_cli, silo, watch_cli
from tasks.errors import TidemillError, listed

app = typer.Typer(
    name="tidemill",
    help="A model lifecycle that turns with your data.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
RecipeName = Annotated[str, typer.Argument(metavar="RECIPE", help="a file in recipes/, without .yaml")]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON for a program to read")]


def main() -> None:
    """Ends the process: 0 done, 1 a fault in one red line, 2 wrong words, 130 interrupted."""
    try:
        app()
    except TidemillError as error:
        if "--debug" in sys.argv:
            raise
        typer.secho(f"error: {error}", fg=typer.colors.RED, err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="show the traceback of an error")] = False,
) -> None:
    """What holds for every command; `main` looks at it."""


app.command()(label_cli.label)
app.add_typer(label_cli.labels, name="labels")
app.add_typer(federate_commands.app, name="federate")
app.add_typer(silo.app, name="silo")
app.add_typer(demo_cli.demo, name="demo")
app.command()(watch_cli.watch)
app.command()(loop_cli.loop)


@app.command()
def up(
    studio: Annotated[bool, typer.Option("--studio", help="Label Studio too, installed at the first time")] = False,
    drift: Annotated[bool, typer.Option("--drift", help="Evidently's pages too, with every drift report")] = False,
) -> None:
    """Start the servers that do not run yet, and say where they are."""
    from flows import servers

    home = _home()
    _with_worker(home, servers.up(home))
    if studio:
        label_cli.studio_up(home)
    if drift:
        servers.evidently_up(home)
    _show_status(home, as_json=False)


@app.command()
def down() -> None:
    """Stop the servers; everything they know stays on disk."""
    from flows import orphans, servers

    home = _home()
    ended = servers.down(home)
    orphans.end_all(home)
    orphans.end_all(home / "rebuild")
    typer.echo(f"stopped: {', '.join(ended)}" if ended else "nothing was running")


@app.command()
def status(as_json: AsJson = False) -> None:
    """Show the servers and the folders."""
    _show_status(_home(), as_json)


@app.command()
def run(recipe: RecipeName, as_json: AsJson = False) -> None:
    """Collect, then run what is out of date, then release: the whole lifecycle of a recipe."""
    from flows import console, outcome, recipe_list, run_lock, servers, steps, tables
    from flows.run import run as run_lifecycle

    turn = steps.opened(recipe)
    root, home = turn.paths.root, turn.paths.home
    run_lock.require_free(home, recipe)
    if recipe_list.add(root, recipe):
        typer.echo(f"added {recipe} to recipes/all.yaml, which dvc.yaml reads", err=True)
    urls = servers.up(home)
    _with_worker(home, urls)
    with console.showing(quiet=as_json) as display:
        results = run_lifecycle(recipe, home, urls, display)
    told = outcome.of_run(turn.paths, results, urls)
    if as_json:
        _print_json(told)
    else:
        typer.echo(outcome.as_text(told))
        tables.show_checks(outcome.new_checks(told))


@app.command()
def schedule(  # noqa: PLR0913, PLR0917 (one option each)
    recipe: Annotated[str | None, typer.Argument(metavar="[RECIPE]", help="default: list all schedules")] = None,
    cron: Annotated[str | None, typer.Option(help='when to run, such as "0 3 * * *" for every night at three')] = None,
    timezone: Annotated[str, typer.Option(help="in which cron's hours are meant")] = "UTC",
    watch: Annotated[bool, typer.Option("--watch", help="watch its traffic, instead of the lifecycle")] = False,
    loop: Annotated[
        bool, typer.Option("--loop", help="run its loop on each alarm and on answers; takes no --cron")
    ] = False,
    remove: Annotated[bool, typer.Option("--remove", help="run it on no schedule any more")] = False,
    as_json: AsJson = False,
) -> None:
    """Run a recipe on a schedule, end that, or list the schedules."""
    from flows import servers, settings, steps

    home = _home()
    settings.apply(settings.project(home))
    from flows import schedule as schedules

    turn = steps.opened(recipe) if recipe is not None else None
    if cron is not None:
        schedules.require_valid(cron, timezone)
    what = schedules.chosen(watch=watch, loop=loop, cron=cron)
    urls = servers.up(home)
    with schedules.reaching(urls):
        if turn is not None and remove:
            schedules.remove(turn.paths, what)
        elif turn is not None and loop:
            schedules.put_loop(turn)
        elif turn is not None and cron is not None:
            schedules.put(turn.paths, schedules.When(cron, timezone), what)
        found = schedules.listed(recipe)
        _with_worker(home, urls)
    _print_json(found) if as_json else typer.echo(schedules.as_text(found))


@app.command()
def serve(
    recipe: RecipeName,
    port: Annotated[int | None, typer.Option(help="default: the recipe's serve.port; 0: any free one")] = None,
    host: Annotated[str, typer.Option(help="where to listen; others than this machine need API keys")] = "127.0.0.1",
) -> None:
    """Answer over HTTP with the champion, and with the next one as soon as there is one."""
    from flows import serving

    serving.serve(recipe, host, port)


@app.command()
def predict(
    recipe: RecipeName,
    source: Annotated[Path, typer.Argument(metavar="TABLE", help="a Parquet, CSV or JSON-lines file")],
    output: Annotated[Path, typer.Option("--output", "-o", help="the Parquet file to write")],
) -> None:
    """Add the champion's answers to a table of any length; the same command takes up an interrupted one."""
    from flows import serving

    typer.echo(serving.score(recipe, source, output))


@app.command()
def keys(
    recipe: RecipeName,
    add: Annotated[str | None, typer.Option(metavar="NAME", help="make a key, shown once")] = None,
    scope: Annotated[list[str] | None, typer.Option(help="predict, explain, feedback, read; default: all")] = None,
    revoke: Annotated[str | None, typer.Option(metavar="NAME", help="make a key good for nothing")] = None,
    as_json: AsJson = False,
) -> None:
    """List, make or revoke the API keys of a recipe's endpoint."""
    from flows import serving

    if add is not None:
        typer.echo(serving.add_key(recipe, add, tuple(scope or ())))
        return
    found = serving.keys_after(recipe, revoke)
    _print_json(found) if as_json else typer.echo(serving.keys_as_text(found))


@app.command()
def collect(recipe: RecipeName) -> None:
    """Fetch what is new at the recipe's sources, and nothing else (no server is needed)."""
    import functools

    from flows import settings, steps
    from flows.console import showing
    from flows.stage_process import run as run_stage

    turn = steps.opened(recipe)
    settings.apply(settings.project(turn.paths.home))
    with showing() as display:
        job = steps.job(turn, "collect", steps.own_command(turn, "collect"))
        run_stage(job, functools.partial(display, "collect"))


@app.command()
def probe(
    recipe: RecipeName,
    again: Annotated[bool, typer.Option("--again", help="measure anew instead of reading the last probe")] = False,
    as_json: AsJson = False,
) -> None:
    """Measure how fast the recipe trains here with other threads and micro-batches; the recipe is left as it is."""
    from dataclasses import asdict

    from flows import steps, tables
    from tasks.train import probe as probing

    turn = steps.opened(recipe)
    found = probing.probe(turn.recipe, turn.paths, again)
    _print_json([asdict(way) for way in found]) if as_json else tables.show_probe(found, turn.recipe)


@app.command()
def recipes(as_json: AsJson = False) -> None:
    """List the recipes of this project."""
    from flows import recipe_list, tables
    from tasks.paths import project_root

    found = recipe_list.overview(project_root())
    _print_json(found) if as_json else tables.show_recipes(found)


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="small letters, figures and _")],
    source: Annotated[str, typer.Option("--from", metavar="RECIPE", help="the recipe to start from")] = "feedback",
) -> None:
    """Make a new recipe as a copy of another one."""
    from flows import recipe_list
    from tasks.paths import project_root

    root = project_root()
    path = recipe_list.copy(root, name, source)
    recipe_list.add(root, name)
    typer.echo(f"made {path.relative_to(root)} from {source}; edit it, then: tidemill check {name}")


@app.command()
def check(recipe: RecipeName) -> None:
    """Say what is wrong with a recipe and the expectation suites it names, before anything runs."""
    from flows import recipe_list
    from tasks.paths import project_root

    if faults := recipe_list.faults(project_root(), recipe):
        raise TidemillError(faults[0] if len(faults) == 1 else listed(faults, recipe))
    typer.echo(f"{recipe}: the recipe and its suites are in order")


@app.command()
def ledger(
    recipe: Annotated[str | None, typer.Argument(metavar="[RECIPE]", help="default: all recipes")] = None,
    as_json: AsJson = False,
) -> None:
    """Show every verdict, promotion, rollback and deletion, oldest first."""
    from flows import history, tables

    found = history.listed(_home(), recipe)
    _print_json(found) if as_json else tables.show_ledger(found)


@app.command()
def served(
    recipe: Annotated[str | None, typer.Argument(metavar="[RECIPE]", help="default: all recipes")] = None,
    at: Annotated[str | None, typer.Option(help="a time such as 2026-11-01T12:00 (UTC); default: now")] = None,
    as_json: AsJson = False,
) -> None:
    """Say which version served at a time, since when and why."""
    from flows import history

    moment = history.moment(at)
    found = history.served(_home(), recipe, moment)
    _print_json(found) if as_json else typer.echo(history.as_text(found, moment))


@app.command()
def rollback(
    recipe: RecipeName,
    to: Annotated[int | None, typer.Option(help="the version; default: what served before")] = None,
) -> None:
    """Let an earlier version serve again, after it was started and has answered as it was evaluated."""
    from flows import run_lock, servers, settings, steps

    turn = steps.opened(recipe)
    home = turn.paths.home
    settings.apply(settings.flow(home, servers.up(home)))
    from tasks.release.rollback import roll_back

    with run_lock.left(home, recipe):
        entry = roll_back(turn.recipe, turn.paths, to)
    typer.echo(f"{recipe}@{entry.version} serves again: {entry.evidence['reason']}")


@app.command()
def rebuild(
    version: Annotated[str, typer.Argument(metavar="RECIPE@N", help="a registered version, such as feedback@7")],
    into: Annotated[
        Path | None, typer.Option(help="a new folder for the project; default: one that goes again")
    ] = None,
    remote: Annotated[str | None, typer.Option(metavar="URL", help="where the data's DVC remote is now")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a version again from the registry alone, and say IDENTICAL, or the first stage that differs and why."""
    from flows import console, servers, settings, tables
    from flows import rebuild as rebuilding
    from tasks.paths import project_root
    from tasks.rebuild import outcome

    # Ended politely, it ends its stage too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    home = _home()
    place = rebuilding.place(version, home, into)
    os.environ["MLFLOW_TRACKING_URI"] = servers.up(home, ["mlflow"])["mlflow"]
    settings.apply(settings.project(home))
    with console.showing(quiet=as_json) as display:
        found = rebuilding.rebuild(version, project_root(), place, remote, display)
    if as_json:
        _print_json(outcome.as_json(found))
    else:
        tables.show_rebuild(outcome.table(found.rows), outcome.lines(found))
    raise typer.Exit(0 if found.passed else 1)


@app.command()
def forget(
    recipe: RecipeName,
    records: Annotated[list[str] | None, typer.Argument(metavar="[RECORD_ID]...", help="sha256 of the text")] = None,
    text_file: Annotated[
        list[str] | None, typer.Option(help="a file with the text itself; - is standard input")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="show what would be done, and do nothing")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove a record and its near copies from everything, and mark the versions that were trained on it."""
    from flows import deletion, forgetting, steps, tables

    turn = steps.opened(recipe)
    if as_json and not (yes or dry_run):
        raise TidemillError("--json asks nothing: add --yes, or --dry-run to see what would be done")
    target = forgetting.asked(records or [], text_file or [])
    with forgetting.opened(turn.recipe, turn.paths.root, turn.paths.home) as reach:
        plan, whole = forgetting.plan(turn.recipe, target, reach)
        if not as_json:
            tables.show_deletion(deletion.told(plan))
        if dry_run or not (yes or typer.confirm("Remove all this for good?")):
            outcome = deletion.Outcome(plan, None, None)
        else:
            outcome = forgetting.carry_out(plan, whole, reach)
    _print_json(outcome.plain()) if as_json else typer.echo(outcome.as_text())
    for name in outcome.to_retrain(turn.paths.root):
        run(name, as_json=as_json)


@app.command()
def schema() -> None:
    """Write recipes/recipe.schema.json, with which an editor knows every key of a recipe."""
    from tasks import storage
    from tasks.paths import project_root
    from tasks.recipe import json_schema

    path = project_root() / "recipes" / "recipe.schema.json"
    storage.write_text(path, json_schema())
    typer.echo(f"wrote {path}")


def _home() -> Path:
    from tasks.paths import home, project_root

    return home(project_root())


def _with_worker(home: Path, urls: dict[str, str]) -> None:
    """Keep a worker for what is scheduled on our own Prefect (another one has its own), dead runs closed first."""
    from flows import run_lock, scheduled, servers, settings

    if run_lock.noted_recipes(home):
        settings.apply(settings.flow(home, urls))
        from flows import dead_runs

        dead_runs.close_all(home)
    if "prefect" not in servers.external(home) and scheduled.anything(urls["prefect"]):
        servers.worker_up(home, urls)


def _show_status(home: Path, as_json: bool) -> None:
    from flows import servers, tables
    from tasks.paths import project_root

    reports = servers.status(home)
    folders = tables.folders(project_root(), home)
    if as_json:
        _print_json({"servers": [tables.plain(report) for report in reports], "folders": folders})
    else:
        tables.show_status(reports, folders)


def _print_json(value: Any) -> None:
    import json

    typer.echo(json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False))


if __name__ == "__main__":
    main()
