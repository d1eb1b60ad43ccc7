"""The verdict in words."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from tasks.markdown import table

NAMES = {
    "embedding": "what the texts mean (embedding)",
    "characters": "length in characters",
    "words": "length in words",
    "non_letter_share": "share of characters that are no letters",
    "predicted": "predicted classes",
    "confidence": "the model's confidence",
    "domain": "domain",
    "right": "share of right answers (feedback)",
}


def headline(outcome: dict[str, Any]) -> str:
    """One line: drift or none, in what, on how many rows, and at which level."""
    rows = f"{outcome['rows']:,} answers of {outcome['recipe']}@{outcome['version']} from {_time(outcome['since'])} to {_time(outcome['until'])}"
    if not outcome["alarm"]:
        return f"no drift in {rows} (a false alarm had a chance of {outcome['level']:.2%})"
    alarms = [NAMES.get(each["name"], each["name"]) for each in outcome["findings"] if each["alarm"]]
    return f"DRIFT in {rows}: {', '.join(alarms)}"


def card(outcome: dict[str, Any]) -> str:
    """The whole verdict as markdown."""
    parts = [f"**{headline(outcome)}**", _rule(outcome), _findings(outcome["findings"])]
    if outcome["moves"]:
        parts += ["What moved:", _moves(outcome["moves"])]
    if outcome["words"]:
        parts += ["Words that are more or less common in what the reference knows least:", _words(outcome["words"])]
    told = [f"**{alert(each)}**" for each in outcome["alerts"]]
    return "\n\n".join([*parts, *told, *outcome["sentences"]]) + "\n"


def alert(raised: dict[str, Any]) -> str:
    """One alert in a line: its name, what was counted, and the recipe's threshold."""
    return (
        f"ALERT {raised['name']}: {raised['counted']:,} of {raised['rows']:,} answers ({raised['counted'] / raised['rows']:.1%}) are "
        f"{raised['label']} with a confidence of {raised['confidence']:g} or more; told from {raised['share']:.1%}"
    )


def _rule(outcome: dict[str, Any]) -> str:
    return (
        f"An alarm needs a corrected p-value of at most {outcome['level']:.2g} (this window's share of "
        f"{outcome['false_alarms_per_month']:g} false alarms a month) and an effect of at least "
        f"{outcome['smallest_effect']:g}. The reference: {outcome['reference_rows']:,} test rows of the version."
    )


def _findings(findings: Sequence[dict[str, Any]]) -> str:
    rows = [
        (
            NAMES.get(each["name"], each["name"]),
            f"{each['p']:.2g}",
            f"{each['adjusted']:.2g}",
            f"{each['effect']:.3f}",
            "**drift**" if each["alarm"] else "",
        )
        for each in findings
    ]
    return table(["what", "p", "corrected p", "effect", ""], rows).rstrip()


def _moves(moves: Sequence[dict[str, Any]]) -> str:
    rows = [
        (
            f"{NAMES.get(each['column'], each['column'])}: {each['bin']}",
            f"{each['reference']:.1%}",
            f"{each['window']:.1%}",
        )
        for each in moves
    ]
    return table(["share of the rows", "reference", "window"], rows).rstrip()


def _words(words: Sequence[dict[str, Any]]) -> str:
    rows = [(each["word"], f"{each['reference']:.1%}", f"{each['window']:.1%}", f"{each['z']:+.1f}") for each in words]
    return table(["texts with the word", "reference", "window", "z"], rows).rstrip()


def _time(text: str) -> str:
    return datetime.fromisoformat(text).strftime("%Y-%m-%d %H:%M")
