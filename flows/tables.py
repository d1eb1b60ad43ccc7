"""Tables on the terminal."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from flows.servers import Report

if TYPE_CHECKING:
    from tasks.recipe import Recipe
    from tasks.train.probe import Way

COLOURS = {"healthy": "green", "external": "cyan", "stopped": "dim", "died": "red", "not answering": "red"}


def folders(root: Path, home: Path) -> dict[str, str]:
    """Where everything is kept: what it is, and the path."""
    return {
        "project": str(root),
        "data": str(root / "data"),
        "state": str(home),
        "Prefect": str(home / "prefect"),
        "MLflow": str(home / "mlflow"),
        "logs": str(home / "logs"),
        "Data Docs": str(home / "data_docs"),
    }


def plain(report: Report) -> dict[str, Any]:
    """The report as JSON can hold it."""
    return {
        "name": report.name,
        "state": report.state,
        "healthy": report.state == "healthy",
        "url": report.url,
        "pid": report.pid,
        "log": str(report.log),
    }


def show_status(reports: Sequence[Report], places: Mapping[str, str]) -> None:
    """Print the servers, then the folders."""
    servers = _table("server", "state", "URL", "PID", "log file")
    for report in reports:
        state = f"[{COLOURS[report.state]}]{report.state}[/]"
        servers.add_row(report.title, state, report.url or "", str(report.pid or ""), str(report.log))
    kept = _table("folder", "path", "")
    for what, path in places.items():
        kept.add_row(what, path, "" if Path(path).is_dir() else "[dim]not there yet[/]")
    console = Console(highlight=False)
    console.print(servers)
    console.print(kept)


def show_recipes(found: Sequence[Mapping[str, Any]]) -> None:
    """Print the recipes: name, kind, title, whether dvc.yaml runs it, or what is wrong with it."""
    table = _table("recipe", "kind", "title", "in dvc.yaml", "fault")
    for row in found:
        fault = f"[red]{row['fault']}[/]" if row["fault"] else ""
        table.add_row(row["name"], row["kind"] or "", row["title"] or "", "yes" if row["listed"] else "no", fault)
    Console(highlight=False).print(table)


def show_probe(ways: "Sequence[Way]", recipe: "Recipe") -> None:
    """Print the ways to train, the fastest first, and which of them the recipe says."""
    own = (recipe.threads, recipe.train.micro_batch or recipe.train.batch_size)
    table = _table("threads", "micro_batch", "rows a second", "")
    for way in ways:
        mine = (way.threads, way.micro_batch) == own
        table.add_row(str(way.threads), str(way.micro_batch), f"{way.rows_a_second:,.0f}", "the recipe" if mine else "")
    console = Console(highlight=False)
    console.print(table)
    console.print(
        "another way gives other bits: change it in the recipe (threads, train.micro_batch), and nowhere else"
    )


def show_checks(checks: Sequence[Mapping[str, Any]]) -> None:
    """Print the checks of a verdict: which hold, and why; nothing when there are none."""
    if not checks:
        return
    table = _table("check", "", "why")
    for check in checks:
        mark = "[green]holds[/]" if check["passed"] else "[red]failed[/]"
        table.add_row(escape(check["name"]), mark, escape(check["reason"]))
    Console(highlight=False).print(table)


def show_ledger(entries: Sequence[Mapping[str, Any]]) -> None:
    """Print the ledger's entries: when, which version, what, and the reason that the evidence gives."""
    table = _table("time (UTC)", "version", "entry", "reason")
    for entry in entries:
        version = f"{entry['recipe']}@{entry['version']}" if entry["version"] is not None else entry["recipe"]
        table.add_row(entry["at"][:19], version, entry["kind"], str(entry["evidence"].get("reason", "")))
    Console(highlight=False).print(table if entries else "the ledger is empty: nothing was ever released here")


def show_rebuild(rows: Sequence[Sequence[str]], lines: Sequence[str]) -> None:
    """Print the stages that were made again, then what that comes to."""
    table = _table("stage", "md5 then", "md5 now", "same", "seconds")
    for row in rows:
        table.add_row(*row)
    console = Console(highlight=False)
    if rows:
        console.print(table)
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)


def show_deletion(told: Mapping[str, Any]) -> None:
    """Print what is to be forgotten: the records, where they stand, and the versions that have met them."""
    records = _table("record", "because")
    for name in told["record_ids"]:
        records.add_row(name, "asked for")
    for copy in told["near_copies"]:
        records.add_row(copy["record_id"], f"{copy['how']}, {copy['similarity']:.2f} like {copy['of'][:12]}…")
    found = _table("where", "files", "rows", "passages")
    for row in told["found"]:
        found.add_row(row["place"], *(f"{row[name]:,}" for name in ("files", "rows", "passages")))
    console = Console(highlight=False)
    console.print(records)
    console.print(found if told["found"] else "found nowhere")
    if told["versions"]:
        versions = _table("version", "aliases", "trained on it", "because")
        for one in told["versions"]:
            trained = "[red]yes[/]" if one["tainted"] else "no"
            versions.add_row(f"{one['recipe']}@{one['version']}", ", ".join(one["aliases"]), trained, one["why"])
        console.print(versions)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
