"""The chain of a tide, from the alarm to the promotion, as Prefect and people see it."""

from typing import Any

from prefect.artifacts import create_markdown_artifact

from flows import artifacts
from flows.steps import Turn
from tasks import ledger, tides
from tasks.ledger import Entry
from tasks.markdown import table
from tasks.paths import Paths
from tasks.tides import Standing


def resource(recipe: str) -> dict[str, str]:
    """Whom the events of a recipe are about."""
    return {"prefect.resource.id": f"tidemill.recipe.{recipe}", "prefect.resource.name": recipe}


def tag(recipe: str, now: Standing) -> str:
    """What the runs of one tide bear, so that they are found together although days lie between them."""
    return f"{recipe} {tides.domain(max(now.tide, 1))}"


def answered(turn: Turn) -> bool:
    """Whether the open question has enough answers for the loop to go on."""
    from tasks.label.answered import counted, enough

    now = tides.standing(ledger.entries(turn.paths.home, turn.recipe.name))
    if now.next != "wait":
        return False
    records, done = counted(turn.recipe, turn.paths, now)
    return enough(done, len(records), turn.recipe.loop)


def show(paths: Paths) -> None:
    """An artifact with every entry of the newest tide, made anew; nothing before the first."""
    rows = chain(paths)
    if rows:
        tide = rows[-1].evidence["tide"]
        description = f"{paths.recipe}: {tides.domain(tide)} from its alarm on"
        create_markdown_artifact(
            as_markdown(rows), key=artifacts.key(paths.recipe, f"tide-{tide}"), description=description
        )


def chain(paths: Paths) -> list[Entry]:
    """The entries of the newest tide, its alarm first."""
    history = ledger.entries(paths.home, paths.recipe)
    numbers = [entry.evidence["tide"] for entry in history if "tide" in entry.evidence]
    if not numbers:
        return []
    mine = [entry for entry in history if entry.evidence.get("tide") == numbers[-1]]
    return [*(entry for entry in history if ledger.seal(entry) == mine[0].evidence["cause"]), *mine]


def as_markdown(rows: list[Entry]) -> str:
    """A table of the entries."""
    shown = [(entry.at[:19].replace("T", " "), entry.kind, str(entry.evidence.get("reason", ""))) for entry in rows]
    return table(("when (UTC)", "what", "why"), shown)


def told(paths: Paths) -> dict[str, Any]:
    """Where the loop stands, for the terminal and for programs: next, tide, round, and the chain."""
    now = tides.standing(ledger.entries(paths.home, paths.recipe))
    entries = [{"at": e.at, "kind": e.kind, "reason": e.evidence.get("reason")} for e in chain(paths)]
    return {"recipe": paths.recipe, "next": now.next, "tide": now.tide, "round": now.round, "chain": entries}


def as_text(found: dict[str, Any]) -> str:
    """The same in a few lines."""
    words = {
        "watch": "no alarm is open: nobody is asked, nothing is trained",
        "ask": "an alarm is open: people are asked next",
        "wait": "people are asked: run this again when they have answered",
        "retrain": "the answers are in: a model is trained next",
    }
    lines = [f"{each['at'][:19].replace('T', ' ')}  {each['kind']:<10} {each['reason']}" for each in found["chain"]]
    return "\n".join([*lines, f"{found['recipe']}: {words[found['next']]}"])
