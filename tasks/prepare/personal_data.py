"""Texts with their personal data masked or flagged, as the recipe says."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tasks.prepare.finders import Span, accounts, cards, emails, overlaps, phones
from tasks.prepare.names import name_finder
from tasks.recipe import Action, PersonalData

KINDS = ("email", "account", "card", "phone", "name")
"""In this order they claim characters: what has a check digit goes before what is only likely."""

Finders = Mapping[str, Callable[[str], list[Span]]]


@dataclass(frozen=True)
class Cleaned:
    """A text as it is kept, and the kinds of personal data that were found in it."""

    text: str
    kinds: tuple[str, ...]


def finders(wanted: PersonalData) -> Finders:
    """What finds each kind that is not kept, in the order of KINDS. Raises RecipeError when names cannot be found."""
    known: dict[str, Callable[[str], list[Span]]] = {
        "email": emails,
        "account": accounts,
        "card": cards,
        "phone": lambda text: phones(text, wanted.region),
    }
    if wanted.name != "keep":
        known["name"] = name_finder(wanted.spacy_pipeline)
    actions = actions_by_kind(wanted)
    return {kind: known[kind] for kind in KINDS if actions[kind] != "keep"}


def actions_by_kind(wanted: PersonalData) -> dict[str, Action]:
    """What the recipe says of each kind, in the order of KINDS."""
    return {
        "email": wanted.email,
        "account": wanted.account,
        "card": wanted.card,
        "phone": wanted.phone,
        "name": wanted.name,
    }


def found_in(text: str, finders: Finders) -> dict[Span, str]:
    """The kind of each span. Of two that overlap the one stays whose finder comes first, then the one further left."""
    taken: dict[Span, str] = {}
    for kind, find in finders.items():
        for span in find(text):
            if not overlaps(span, taken):
                taken[span] = kind
    return taken


def cleaned(text: str, finders: Finders, actions: Mapping[str, Action]) -> Cleaned:
    """The text with what is masked replaced by [EMAIL], [ACCOUNT], [CARD], [PHONE] or [NAME]."""
    found = found_in(text, finders)
    for (start, end), kind in sorted(found.items(), reverse=True):
        if actions[kind] == "mask":
            text = f"{text[:start]}[{kind.upper()}]{text[end:]}"
    return Cleaned(text, tuple(kind for kind in KINDS if kind in found.values()))
