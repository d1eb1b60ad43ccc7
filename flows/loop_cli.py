"""The command that closes the loop, by hand."""

import json
from typing import Annotated

import typer


def loop(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="a file in recipes/, without .yaml")],
    as_json: Annotated[bool, typer.Option("--json", help="print JSON for a program to read")] = False,
) -> None:
    """Go on where the loop stands: watch, ask people about what drifted, take their answers, retrain, promote or stop."""
    from flows import console, run_lock, servers, steps
    from flows.run import in_prefect

    turn = steps.opened(recipe)
    home = turn.paths.home
    for name in (run_lock.loop_of(recipe), recipe):
        run_lock.require_free(home, name)

    def start() -> list[steps.Result]:
        from flows.looping import loop as flow

        return flow(recipe)

    urls = servers.up(home)
    with console.showing(quiet=as_json) as display:
        in_prefect(start, home, urls, display)
    from flows import loop_chain

    found = loop_chain.told(turn.paths)
    typer.echo(json.dumps(found, indent=2, ensure_ascii=False) if as_json else loop_chain.as_text(found))
