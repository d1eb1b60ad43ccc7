"""The demonstrations."""

import json
import signal
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

demo = typer.Typer(
    help="Whole stories on real data, each in a new folder with servers of its own.", no_args_is_help=True
)


@demo.callback()
def options() -> None:
    """What holds for every demonstration."""


@demo.command()
def tide(
    into: Annotated[Path, typer.Option(help="the new folder for its project")] = Path("tide-demo"),
    seed: Annotated[
        int, typer.Option(help="which texts are known, arrive, or never do: another number deals anew")
    ] = 17,
    no_studio: Annotated[bool, typer.Option("--no-studio", help="questions in a file, without Label Studio")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON for a program to read")] = False,
) -> None:
    """Play the loop: the world drifts, the alarm, the labels, the retrained model, the promotion, the alarm gone."""
    from flows.demo.tide import tide as play
    from tasks.paths import project_root

    # Its servers end with it, also when it is told to end from outside.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    say = (lambda text: typer.echo(text, err=True)) if as_json else typer.echo
    found = play(project_root(), into.resolve(), say, seed, studio=not no_studio)
    if as_json:
        typer.echo(json.dumps(asdict(found), indent=2, ensure_ascii=False))
