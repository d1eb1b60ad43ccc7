"""`tidemill silo`: an operator's own silo in somebody's federation."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    import pandas as pd

    from tasks.paths import Paths
    from tasks.recipe import Recipe

app = typer.Typer(help="Take part in a federation with records that stay at home.", no_args_is_help=True)
PARTS = ("head", "lora", "full")


@app.command()
def start(  # noqa: PLR0913, PLR0917 (the options of a command)
    data: Annotated[Path, typer.Option(help="a folder of Parquet files with columns text and label")],
    server: Annotated[str, typer.Option(help="HOST:PORT of the federation's SuperLink")],
    key: Annotated[Path, typer.Option(help="this silo's private key, NAME.key")],
    authority: Annotated[Path, typer.Option(help="the federation's ca.crt")],
    recipe: Annotated[str, typer.Option(help="a file in recipes/, as the server has it")] = "feedback",
    allow: Annotated[str, typer.Option(help="what may leave: head, lora, full, with commas")] = ",".join(PARTS),
    max_rounds: Annotated[int | None, typer.Option(help="refuse plans with more rounds")] = None,
    max_epsilon: Annotated[float | None, typer.Option(help="of these records, all federations together")] = None,
    masked: Annotated[bool, typer.Option("--masked", help="refuse plans without secure aggregation")] = False,
) -> None:
    """Check the records at home, join the federation, and show all that leaves (Ctrl-C ends it)."""
    from flows import steps
    from tasks.errors import TidemillError
    from tasks.federate import rules
    from tasks.federate.silo_process import Membership, served

    turn = steps.opened(recipe)
    allowed = tuple(part.strip() for part in allow.split(","))
    if unknown := sorted(set(allowed) - set(PARTS)):
        raise TidemillError(f"--allow {unknown[0]}: is none of {', '.join(PARTS)}")
    name = key.stem
    home = turn.paths.home / "silo" / turn.recipe.name / name
    where = (name, str(data.resolve()), str(turn.paths.base_model), turn.recipe.threads)
    own = rules.Rules(*where, allow=allowed, max_rounds=max_rounds, max_epsilon=max_epsilon, masked=masked)
    rules.write(home, own)
    checked(turn.recipe, turn.paths, own, home)
    typer.echo(f"{name}: may send {', '.join(allowed)}; every answer is noted in {home / 'sent.jsonl'}")
    typer.echo(f"to send nothing more, whatever is asked: touch {home / rules.VETO}")
    served(home, Membership(server, authority.resolve(), key.resolve()))


@app.command()
def sent(
    name: Annotated[str, typer.Argument(help="the silo, as its key is called")],
    recipe: Annotated[str, typer.Option(help="a file in recipes/")] = "feedback",
) -> None:
    """Show all that ever left this silo, oldest first."""
    from flows import steps
    from tasks.federate.silo import history
    from tasks.federate.silo_process import line

    entries = history(steps.opened(recipe).paths.home / "silo" / recipe / name)
    typer.echo("\n".join(map(line, entries)) if entries else f"nothing has left {name} yet")


def checked(recipe: "Recipe", paths: "Paths", own: Any, home: Path) -> None:
    """Hold the records against the recipe's suite at home; only counts are written down for the server."""
    from tasks import storage
    from tasks.errors import PromiseError
    from tasks.federate.silo_data import read
    from tasks.validate.verdict import failing_ids, faults

    records = read(Path(own.data), recipe.labels.classes)
    table = _as_records(records.parts, own.name)
    outcomes = _outcomes(recipe, paths, table)
    if broken := faults(outcomes, {"records": table}, recipe.validation.tolerated_share):
        raise PromiseError(
            "\n".join([f"{own.data}: the records break the recipe's promises", *(f"  - {b}" for b in broken)])
        )
    counts = {
        "promises": len(outcomes),
        "promises_kept": sum(outcome.kept for outcome in outcomes),
        "failing_records": len(failing_ids(outcomes, "records")),
    }
    storage.write_json(home / "validation.json", counts)
    typer.echo(
        f"{own.name}: {len(table):,} records keep {counts['promises_kept']} of {counts['promises']} promises, "
        f"{counts['failing_records']} records fail one"
    )


def _as_records(parts: "dict[str, pd.DataFrame]", name: str) -> "pd.DataFrame":
    """The silo's rows with the columns that suites speak of."""
    import pandas as pd

    table = pd.concat(parts.values(), ignore_index=True)
    ids = [hashlib.sha256(text.encode()).hexdigest() for text in table["text"]]
    return table.assign(record_id=ids, source=name)


def _outcomes(recipe: "Recipe", paths: "Paths", table: "pd.DataFrame") -> list[Any]:
    """The outcome of each promise about columns that a silo has."""
    from tasks.validate.outcomes import columns_of
    from tasks.validate.suite_files import filled, placeholders, read_suite
    from tasks.validate.suites import Check, validated

    path = paths.expectations / f"{recipe.validation.records}.json"
    suite = filled(read_suite(path.parent, path.stem), placeholders(recipe.labels), path)
    kept = [promise for promise in suite.expectations if set(columns_of(promise)) <= set(table.columns)]
    return validated([Check("records", table, suite.model_copy(update={"expectations": tuple(kept)}), path)])
