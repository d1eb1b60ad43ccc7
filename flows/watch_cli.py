"""The command that watches a champion's traffic."""

import json
from typing import Annotated

import typer


def watch(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="a file in recipes/, without .yaml")],
    as_json: Annotated[bool, typer.Option("--json", help="print JSON for a program to read")] = False,
) -> None:
    """Judge the traffic since the last verdict: drift or none, what moved, and what it may cost."""
    from flows import console, outcome, run_lock, servers, steps
    from flows.run import in_prefect

    turn = steps.opened(recipe)
    home = turn.paths.home
    run_lock.require_free(home, recipe)
    before = outcome.of_watch(turn.paths)

    def start() -> list[steps.Result]:
        from flows.watching import watch as flow

        return flow(recipe)

    urls = servers.up(home)
    with console.showing(quiet=as_json) as display:
        in_prefect(start, home, urls, display)
    said = outcome.of_watch(turn.paths)
    if as_json:
        typer.echo(json.dumps(said if said != before else None, indent=2, sort_keys=True, ensure_ascii=False))
    elif said is not None and said != before:
        typer.echo(f"report   {turn.paths.watch / 'report.html'}\nprefect  {urls['prefect']}")
