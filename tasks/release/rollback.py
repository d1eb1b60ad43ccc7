"""Back to a version that served before, once it has shown that it still answers as it was evaluated."""

from collections.abc import Sequence

from tasks import ledger, tracking
from tasks.errors import PromiseError, TidemillError
from tasks.ledger import SERVING, Entry
from tasks.paths import Paths
from tasks.recipe import Recipe
from tasks.release import parity


def roll_back(recipe: Recipe, paths: Paths, to: int | None) -> Entry:
    """The ledger's entry on the rollback to version `to` (None: to what served before the champion of today).

    The ledger is written first, so that a rollback which is cut off is taken up by the next. Raises TidemillError when
    there is no such version or it serves already, PromiseError when it does not answer as it was evaluated.
    """
    known = {version.number: version for version in tracking.versions(recipe.name)}
    champion = next((number for number, version in known.items() if tracking.CHAMPION in version.aliases), None)
    history = ledger.entries(paths.home, recipe.name)
    number = to if to is not None else served_before(history, champion)
    if number is None:
        raise TidemillError(f"{recipe.name}: no other version has served before; name one: --to N")
    if number not in known:
        raise TidemillError(f"{recipe.name}@{number}: there is no such version; there are {', '.join(map(str, known))}")
    entry = ledger.serving(history)
    if number == champion and entry is not None and entry.version == number:
        raise TidemillError(f"{recipe.name}@{number}: is the champion already")
    if known[number].tainted:
        raise PromiseError(f"{recipe.name}@{number}: learned from a record that was forgotten since; it may not serve")
    probed = parity.check(recipe, known[number])
    if not probed.passed:
        raise PromiseError(f"{recipe.name}@{number}: does not answer as it was evaluated, {probed.reason}")
    if entry is None or entry.version != number or _under_way(history, entry, champion):
        evidence = {"reason": f"back from version {champion}; {probed.reason}", "replaces": champion}
        entry = ledger.append(paths.home, recipe.name, "rollback", number, {**evidence, "parity": probed.figures})
    tracking.set_alias(recipe.name, tracking.CHAMPION, number)
    return entry


def served_before(history: Sequence[Entry], champion: int | None) -> int | None:
    """The version that served last and is not the champion, or None."""
    versions = [entry.version for entry in history if entry.kind in SERVING and entry.version != champion]
    return versions[-1] if versions else None


def _under_way(history: Sequence[Entry], entry: Entry, champion: int | None) -> bool:
    """Whether a release was cut off after the entry with the champion in its place and the promotion not yet told."""
    verdicts = [e for e in history[history.index(entry) :] if e.kind == "verdict" and e.version == champion]
    return bool(verdicts) and bool(verdicts[-1].evidence["promoted"])
