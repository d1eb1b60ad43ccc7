"""From a registered version to a settled one: verdict, ledger, alias, and a word that it is done.

Decided, then done, then said to be done. Each step looks whether it was taken before, so a release that was cut off
anywhere is taken up where it was, and one that was finished changes nothing.
"""

from collections.abc import Sequence
from dataclasses import replace

from tasks import ledger, storage, tides, tracking
from tasks.check import Check
from tasks.ledger import Entry
from tasks.paths import Paths
from tasks.recipe import Recipe
from tasks.release import parity
from tasks.release.federation import privacy_checks
from tasks.release.gate import judged
from tasks.release.known import gate_mark
from tasks.release.verdict import Verdict, evidence, from_evidence, markdown


def settled(recipe: Recipe, paths: Paths, version: tracking.Version, lineage: str) -> Verdict:
    """The verdict on the version, with everything that follows from it done."""
    mark = gate_mark(recipe.gate)
    history = ledger.entries(paths.home, recipe.name)
    last = _last(history, version, lineage)
    if tracking.RELEASED_TAG in version.tags and version.tags.get(tracking.GATE_TAG) == mark:
        return from_evidence(last.evidence) if last else _from_registry(version)
    champion = tracking.champion(recipe.name)
    verdict = _standing(last, version, champion, mark, _rolled_back_since(history, last))
    if verdict is None:
        found = judged(recipe, paths, champion, history)
        verdict = replace(
            found, checks=(*found.checks, parity.check(recipe, version), *privacy_checks(recipe.gate, paths))
        )
        kept = {**evidence(verdict), "lineage": lineage, "gate": mark, **tides.link(history)}
        ledger.append(paths.home, recipe.name, "verdict", version.number, kept)
    _publish(recipe, version, verdict)
    tracking.set_alias(recipe.name, alias(verdict), version.number)
    history = ledger.entries(paths.home, recipe.name)
    if verdict.promoted and not _told(history, version, lineage):
        replaced = verdict.basis.get("champion")
        kept = {"reason": verdict.reason, "lineage": lineage, "replaces": replaced, **tides.link(history)}
        ledger.append(paths.home, recipe.name, "promotion", version.number, kept)
    tracking.tag_version(recipe.name, version.number, {tracking.GATE_TAG: mark, tracking.RELEASED_TAG: "true"})
    return verdict


def alias(verdict: Verdict) -> str:
    """What the version becomes."""
    return tracking.CHAMPION if verdict.promoted else tracking.CHALLENGER


def _standing(
    last: Entry | None, version: tracking.Version, champion: tracking.Version | None, mark: str, back: Entry | None
) -> Verdict | None:
    """The verdict that still holds: by the same gate, against the champion of today. The champion itself has one.

    `back`: the rollback by which a person went against it while the release was not finished; theirs is the last word.
    """
    number = champion.number if champion else None
    if number == version.number:
        return from_evidence(last.evidence) if last else _from_registry(version)
    if last is None or last.evidence["gate"] != mark or last.evidence["champion"] != number:
        return None
    found = from_evidence(last.evidence)
    if back is None:
        return found
    said = Check("rollback", False, f"version {back.version} was put back after this verdict, and stays")
    return replace(found, checks=(*found.checks, said))


def _rolled_back_since(history: Sequence[Entry], verdict: Entry | None) -> Entry | None:
    """The last rollback after the verdict, or None."""
    after = history[history.index(verdict) + 1 :] if verdict else ()
    return next((entry for entry in reversed(after) if entry.kind == "rollback"), None)


def _own(history: Sequence[Entry], version: tracking.Version, lineage: str) -> list[Entry]:
    """The entries on this very version: another registry may have given its number before."""
    return [e for e in history if e.version == version.number and e.evidence.get("lineage") == lineage]


def _last(history: Sequence[Entry], version: tracking.Version, lineage: str) -> Entry | None:
    """The newest verdict on the version."""
    return next((e for e in reversed(_own(history, version, lineage)) if e.kind == "verdict"), None)


def _told(history: Sequence[Entry], version: tracking.Version, lineage: str) -> bool:
    """Whether the promotion that the version's last verdict asks for is in the ledger."""
    kinds = [e.kind for e in _own(history, version, lineage) if e.kind in ("verdict", "promotion")]
    return bool(kinds) and kinds[-1] == "promotion"


def _from_registry(version: tracking.Version) -> Verdict:
    """What the registry knows of a version whose ledger is not here."""
    reason = version.tags.get("reason", "it is the champion already")
    passed = tracking.CHAMPION in (version.tags.get("verdict"), *version.aliases)
    return Verdict((Check("registry", passed, reason),), known_reason=reason)


def _publish(recipe: Recipe, version: tracking.Version, verdict: Verdict) -> None:
    """Show the verdict in MLflow: tags, verdict.json and verdict.md beside the model, and above its card."""
    tracking.tag_version(recipe.name, version.number, {"verdict": alias(verdict), "reason": verdict.reason})
    with storage.scratch() as folder:
        model_card = tracking.download(version, "model_card.md", folder / "fetched").read_text(encoding="utf-8")
        storage.write_json(folder / "verdict" / "verdict.json", evidence(verdict))
        page = f"**{alias(verdict)}**: {verdict.reason}\n\n{markdown(verdict)}".strip() + "\n"
        storage.write_text(folder / "verdict" / "verdict.md", page)
        tracking.attach(version, folder / "verdict")
        tracking.describe(recipe.name, version.number, f"{page}\n{model_card}")
