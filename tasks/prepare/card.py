"""The page that a person looks at after the stage ran."""

from collections.abc import Mapping

import pandas as pd

from tasks import markdown
from tasks.recipe import Action

MOST_LANGUAGES = 5


def card(kept: pd.DataFrame, dropped: pd.DataFrame, actions: Mapping[str, Action]) -> str:
    """Markdown: how many records were kept and dropped, which personal data was found, which languages."""
    found = markdown.table(("personal data", "records with it", "the recipe says"), _personal_data(kept, actions))
    return "\n".join([counts(kept, dropped), found, _languages(kept)])


def counts(kept: pd.DataFrame, dropped: pd.DataFrame) -> str:
    """A markdown table of how many records arrived, were dropped for which reason, and were kept."""
    reasons = dropped["reason"].value_counts().sort_index()
    rows = [(f"dropped: {reason}", f"{count:,}") for reason, count in reasons.items()]
    whole = [("arrived", f"{len(kept) + len(dropped):,}"), *rows, ("kept", f"{len(kept):,}")]
    return markdown.table(("records", "number"), whole)


def _personal_data(kept: pd.DataFrame, actions: Mapping[str, Action]) -> list[tuple[str, str, str]]:
    found = kept["personal_data"].str.split(",").explode().value_counts()
    return [
        (kind, "not looked for" if action == "keep" else f"{found.get(kind, 0):,}", action)
        for kind, action in actions.items()
    ]


def _languages(kept: pd.DataFrame) -> str:
    languages = kept["language"].value_counts()
    ordered = sorted(languages.items(), key=lambda item: (-item[1], item[0]))
    named = [f"{language} {count:,}" for language, count in ordered[:MOST_LANGUAGES]]
    others = ordered[MOST_LANGUAGES:]
    if others:
        named.append(f"{len(others)} others {sum(count for _, count in others):,}")
    named.append(f"not told (too short or mixed) {kept['language'].isna().sum():,}")
    return f"Languages: {', '.join(named)}.\n"
