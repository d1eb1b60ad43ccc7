"""A deletion thought out before anything is touched."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from tasks import tombstones
from tasks.errors import TidemillError
from tasks.forget.copies import copies
from tasks.forget.exposure import Exposure
from tasks.forget.journal import Plan, with_findings
from tasks.forget.records import arrived, dropped_beside, origins
from tasks.forget.search import Finding, Found, Ground, known_texts, search
from tasks.forget.target import Target


@dataclass(frozen=True)
class Outside:
    """A server of the user's own that may hold something, reached by its API alone."""

    place: str
    search: Callable[[Target], list[Finding]]
    erase: Callable[[Iterable[Finding], Target], list[str]]
    """Says what could not be erased."""


@dataclass(frozen=True)
class Reach:
    """Everything that a deletion can get at: the files, servers of the user's own, the registered versions."""

    ground: Ground
    outside: Sequence[Outside]
    exposed: Callable[[Found, frozenset[str]], list[Exposure]]


def planned(recipe: str, asked: Target, similarity: float, reach: Reach) -> tuple[Plan, Target]:
    """What is to be done about the asked records and their near copies, and all that tells them.

    Raises TidemillError when a record is nowhere and was never forgotten either.
    """
    ground = reach.ground
    records = arrived(ground.root, ground.home)
    texts = _texts(asked, records, ground)
    beside = [*copies(texts, records, similarity), *dropped_beside(ground.root, asked.ids)]
    unique = tuple({copy.record_id: copy for copy in reversed(beside)}.values())
    ids = asked.ids | {copy.record_id for copy in unique}
    own = {records[name] for name in ids if name in records}
    target = Target(ids, asked.texts | own | known_texts(ground, ids))
    found = search(ground, target)
    outside = [finding for one in reach.outside for finding in one.search(target)]
    sources, marks = origins(ground.root, ids)
    plan = Plan(
        certificate=_name(ids),
        recipe=recipe,
        asked=tuple(sorted(asked.ids)),
        copies=tuple(sorted(unique, key=lambda copy: copy.record_id)),
        sources=tuple(sources),
        marks=tuple(marks),
        findings=(*found.findings, *outside),
        exposures=tuple(reach.exposed(found, ids)),
        recipes=_recipes(found),
        unreachable=found.unreachable,
    )
    _require_known(plan, ground)
    return plan, target


def resumed(plan: Plan, asked: Target, reach: Reach) -> tuple[Plan, Target]:
    """A plan that was cut off, with what is left to be found of it."""
    target = Target(plan.ids, asked.texts | known_texts(reach.ground, plan.ids))
    found = search(reach.ground, target)
    outside = [finding for one in reach.outside for finding in one.search(target)]
    return with_findings(plan, (*found.findings, *outside)), target


def _texts(asked: Target, records: dict[str, str], ground: Ground) -> dict[str, str]:
    """A text for each asked record, from the shards or, for one that is in none, from any table that has it."""
    known = {name: records[name] for name in asked.ids if name in records}
    for name in sorted(asked.ids - known.keys()):
        others = sorted(known_texts(ground, frozenset({name})), key=len)
        known |= {name: others[-1]} if others else {}
    return known


def _recipes(found: Found) -> tuple[str, ...]:
    """The recipes among whose data something was found."""
    paths = [one.path.split("/") for one in found.findings]
    return tuple(sorted({parts[1] for parts in paths if parts[0] == "data" and len(parts) > len(("data", "recipe"))}))


def _name(ids: frozenset[str]) -> str:
    """A certificate's name: the time, and a hash so that two of one second differ."""
    digest = hashlib.sha256(" ".join(sorted(ids)).encode()).hexdigest()[:8]
    return f"forget-{datetime.now(UTC):%Y%m%dT%H%M%S}-{digest}"


def _require_known(plan: Plan, ground: Ground) -> None:
    marks = tombstones.read(ground.root)
    if not plan.findings and not any(tombstones.mark(name) in marks for name in plan.asked):
        raise TidemillError(
            f"{plan.asked[0]}: no such record here, in any version; an id is the sha256 of the normalised text, and "
            "--text-file FILE takes the text itself"
        )
